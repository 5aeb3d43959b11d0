"""All of Siaga on this machine, for the demo, the tests and the benchmarks: real processes over given servers.

The carrier is the sandbox, on loopback, whatever the environment says. Secrets are made up for the run.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import socket
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from alerts.country_rules.actions import load_packaged_rules
from alerts.deliveries.facts import export_facts
from alerts.embedded import EmbeddedError, Services
from alerts.embedded.safety import require_sandbox
from alerts.kit.actor import SYSTEM
from alerts.kit.db import Sessions, begin, make_engine, make_sessions
from alerts.migrations import upgrade
from alerts.missions.actions import load_missions
from alerts.sandbox.judge import facts_of, judge, read_journal
from alerts.settings import Settings, new_key
from alerts.staff.actions import NewStaff, create_staff, create_token
from alerts.staff.rules import Role
from alerts.stage_ways import own_ends_environment, own_ends_rules, ways_environment

PROCESSES = ("sandbox", "serve", "worker", "quick", "evidence", "paging", "relay")
OURS = (sys.executable, "-m", "alerts.cli")
READY_SECONDS = 60.0
CARRIER_VARIABLE = "SIAGA_CARRIER_COMMAND"
ALERT = re.compile(r"[0-9]+-[0-9]+")
"""How attempts of alerts are called; those of messages to staff and of replies have a letter in front."""
CALM_TRIES = 20
"""So often the judge waits for a moment in which the carrier writes nothing."""


@dataclass(frozen=True)
class Account:
    """Somebody of the staff in a made-up ministry: a password for pages, a token for the API."""

    username: str
    role: Role
    password: str
    token: str
    mission_code: str | None = None
    display_name: str = ""


class Stage:
    """Starts, watches and stops the processes of one run.

    Texts and push are always there; `ways` are the others (`stage_ways.WAYS`). None by default: who measures or breaks
    sending wants one step per person. `has_own_ends`: every sender is tried there and back at the sandbox.

    `SIAGA_CARRIER_COMMAND` may name another carrier in the sandbox's place (docs/judge.md). It is told a port of this machine,
    and nobody is told any other address.
    """

    def __init__(
        self,
        services: Services,
        *,
        mode: str,
        overrides: Mapping[str, str] | None = None,
        port: int | None = None,
        ways: tuple[str, ...] = (),
        has_own_ends: bool = False,
    ) -> None:
        self._carrier = other_carrier({**os.environ, **(overrides or {})})
        self.services, self.has_own_ends = services, has_own_ends
        self.folder = services.folder
        self.log_path = self.folder / "carrier.jsonl"
        self.web_port, self.carrier_port = port or free_port(), free_port()
        more = ways_environment(ways, carrier=self.carrier_url, mail_port=free_port())
        whole = self._environment(mode) | more
        if has_own_ends:
            whole |= own_ends_environment(whole, carrier=self.carrier_url)
        self.environment = require_sandbox(whole | dict(overrides or {}))
        self.settings = Settings.from_environment(self.environment)
        database = self.settings.database.url.get_secret_value()
        self._engine = make_engine(database, pool_size=4)
        self.sessions: Sessions = make_sessions(self._engine)

    @property
    def url(self) -> str:
        """Where the pages and the API are."""
        return self.settings.public_url

    def close(self) -> None:
        """Let go of the database; the processes end with the services."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Make the tables and load the missions and the country rules."""
        upgrade(self.settings.database.url.get_secret_value())
        with begin(self.sessions) as session:
            load_missions(session)
            load_packaged_rules(session)

    def start(self, *names: str, plan: Mapping[str, Any] | None = None, concurrency: int = 2) -> None:
        """Start processes (all of them by default) and wait until they serve."""
        plan_path = self.folder / "plan.json"
        if plan is not None:
            plan = {**plan, "rules": [*plan.get("rules", ()), *own_ends_rules()]} if self.has_own_ends else plan
            plan_path.write_text(json.dumps(plan), encoding="utf-8")
        commands = {
            "sandbox": ["--log", str(self.log_path), "--port", str(self.carrier_port)],
            "serve": ["serve"],
            "worker": ["worker", "--queues", "sending", "--concurrency", str(concurrency)],
            "quick": ["worker", "--queues", "quick,inbound", "--concurrency", "1"],
            "evidence": ["worker", "--queues", "evidence", "--concurrency", "1"],
            "paging": ["worker", "--queues", "paging", "--concurrency", "1"],
            "relay": ["relay"],
        }
        if plan_path.exists():
            commands["sandbox"] += ["--plan", str(plan_path)]
        for name in names or PROCESSES:
            program = OURS if name != "sandbox" else self._carrier or [*OURS, "sandbox"]
            self.services.start_process(name, [*program, *commands[name]], self.environment)
        if "sandbox" in (names or PROCESSES):
            self.wait_for(f"http://127.0.0.1:{self.carrier_port}/sandbox/stats", "sandbox")
        if "serve" in (names or PROCESSES):
            self.wait_for(f"{self.url}/readyz", "serve")

    def wait_for(self, url: str, process: str) -> None:
        """Until the address answers; EmbeddedError with the process's own last words when it does not."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if get_json(url) is not None:
                return
            if self.services.process_pid(process) is None:
                break
            time.sleep(0.05)
        raise EmbeddedError(f"'{process}' did not start: {self.services.log_of(process).strip()[-600:]}")

    @property
    def carrier_url(self) -> str:
        """Where the sandbox carrier is."""
        return f"http://127.0.0.1:{self.carrier_port}"

    def carrier_stats(self) -> dict[str, Any]:
        """What the carrier says that it has taken so far."""
        return get_json(f"{self.carrier_url}/sandbox/stats") or {}

    def make_accounts(self, missions: Mapping[str, str]) -> dict[str, Account]:
        """One account per role, and one per mission code (its value is the account's name)."""
        wanted = {role.value: (role, None) for role in (Role.MINISTER, Role.DUTY_OFFICER, Role.APPROVER, Role.ADMINISTRATOR)}
        named: dict[str, tuple[Role, str | None]] = {**wanted, **{n: (Role.HEAD_OF_MISSION, code) for code, n in missions.items()}}
        accounts = {}
        with begin(self.sessions) as session:
            for name, (role, code) in named.items():
                password = secrets.token_urlsafe(12)
                command = NewStaff(name.replace("_", "-"), name.replace("_", " ").title(), role, code, password=password)
                made = create_staff(session, actor=SYSTEM, command=command)
                token = create_token(session, actor=SYSTEM, staff_id=made.id, name="stage")
                accounts[name] = Account(command.username, role, password, token.secret, code, command.display_name)
        return accounts

    def judge(self) -> dict[str, Any]:
        """The carrier's log against our tables: the counts of the outside judge, in all and per message. What was judged stays."""
        verdict, facts = verdict_on(self.sessions, self.log_path)
        (self.folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        return verdict

    def accepted_by_way(self) -> dict[str, int]:
        """Alerts that the carrier's log says were taken, by door, the busiest first; our own test messages are none."""
        lines = [json.loads(line) for line in self.log_path.read_text(encoding="utf-8").splitlines() if '"accepted"' in line]
        lines = [line for line in lines if line["kind"] == "accepted"]
        with begin(self.sessions) as session:
            ours = {str(row.delivery_id) for row in session.execute(text("SELECT delivery_id FROM round_trip"))}
        alerts = (line for line in lines if ALERT.fullmatch(line["attempt"]) and line["attempt"].partition("-")[0] not in ours)
        taken = Counter(line.get("channel", "?") for line in alerts)
        return dict(taken.most_common())

    def _environment(self, mode: str) -> dict[str, str]:
        carrier = self.carrier_url
        keys = {f"SIAGA_KEYS_{name}": new_key() for name in ("DATA", "INDEX", "LINK", "CALLBACK")}
        return (
            self.services.environment()
            | keys
            | {
                "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
                "SIAGA_MODE": mode,
                "SIAGA_PUBLIC_URL": f"http://127.0.0.1:{self.web_port}",
                "SIAGA_WEB_PORT": str(self.web_port),
                "SIAGA_TWILIO_ACCOUNT_SID": "AC" + secrets.token_hex(16),
                "SIAGA_TWILIO_AUTH_TOKEN": secrets.token_hex(16),
                "SIAGA_TWILIO_FROM": "+15005550006",
                "SIAGA_TWILIO_BASE_URL": carrier,
                "SIAGA_FCM_PROJECT": "siaga-sandbox",
                "SIAGA_FCM_STATIC_TOKEN": secrets.token_hex(16),
                "SIAGA_FCM_BASE_URL": carrier,
            }
        )


def verdict_on(sessions: Sessions, log: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The verdict on a carrier's journal and our tables, and what was exported of them.

    The journal is read first: an attempt is in the tables before the carrier hears of it, so that none is taken for a stray. Where
    the carrier wrote on meanwhile, both are read anew: whoever was sent a repetition between the two would be called missed.
    """
    for _ in range(CALM_TRIES):
        size, journal = log.stat().st_size, read_journal(log)
        with begin(sessions) as session:
            facts = export_facts(session)
        if log.stat().st_size == size:
            break
    return judge(journal, facts_of(facts)).as_json(), facts


def load_register(
    settings: Settings, sessions: Sessions, file: Path, *, is_dry_run: bool = False, on_progress: Callable[[Any], None] | None = None
) -> tuple[str, dict[str, int]]:
    """Import a CSV file; the run's id and the count of rows per outcome."""
    from alerts.citizens.actions import ImportOptions, import_citizens

    options = ImportOptions(home_country=settings.home_country, on_progress=on_progress)
    with begin(sessions) as session, file.open("rb") as stream:
        run, tally = import_citizens(session, settings.keyring, file=stream, actor=SYSTEM, is_dry_run=is_dry_run, options=options)
        return str(run.id), dict(tally.counts)


def other_carrier(environment: Mapping[str, str]) -> list[str]:
    """The command of the carrier that stands in the sandbox's place, or nothing."""
    return shlex.split(environment.get(CARRIER_VARIABLE, ""))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """EmbeddedError where somebody listens there: what a stage says to its pages, secrets among it, would be said to them."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmbeddedError(f"Port {port} cannot be had ({error.strerror}). Name another with --port, or leave it out.") from None


def get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """A JSON document of this machine, or None while nobody answers."""
    return _json_of(urllib.request.Request(url, headers=dict(headers or {})))  # noqa: S310 - loopback, our own address


def post_json(url: str, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Post a document to a process of ours."""
    request = urllib.request.Request(  # noqa: S310 - loopback, our own address
        url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    return _json_of(request)


def _json_of(request: urllib.request.Request) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback, our own address
            document: dict[str, Any] = json.load(answer)
            return document
    except (urllib.error.URLError, OSError, ValueError):
        return None
