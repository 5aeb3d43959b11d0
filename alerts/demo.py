"""`siaga demo` and `siaga replay`: a whole crisis on this machine, told through the API, judged by the carrier's log."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import text

from alerts import embedded
from alerts.crisis_check import load_checked
from alerts.deliveries.queries import invariants
from alerts.deliveries.round_trips.queries import list_ages
from alerts.embedded.safety import require_empty_register, safe_environment
from alerts.kit.db import begin
from alerts.stage import Account, Stage, get_json, load_register, other_carrier, post_json, require_free
from alerts.stage_waits import shortened_waits
from alerts.stage_ways import ALL_WAYS, enter_browsers, enter_phones
from alerts.story.api import Api
from alerts.story.arrival import shuffled
from alerts.story.crisis import Crisis
from alerts.story.live import as_it_happens, minute_of, share_of
from alerts.story.phones import DutyPhones
from alerts.story.prepared import prepare_words
from alerts.story.register import RegisterPlan, write_register
from alerts.story.replay import Outcome, line_for, open_incident, replay
from alerts.story.signing import Login
from alerts.story.telling import Around, Progress, Teller, Telling

BAR = 30
WORKERS = 2
TRIP_SECONDS_MAX = 30.0
WAY_NAMES = {
    "push": "app",
    "web_push": "browser",
    "sms": "text",
    "sms2": "text by the second provider",
    "whatsapp": "WhatsApp",
    "email": "mail",
    "voice": "call",
}


class Printer:
    """One line per step with what happened and how long it took; a bar that moves where somebody watches."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._is_terminal = sys.stdout.isatty()
        self._last_bar = 0.0

    def line(self, words: str) -> None:
        """One line, with the seconds since the beginning before it."""
        end = "\033[K\n" if self._is_terminal else "\n"
        start = "\r" if self._is_terminal else ""
        print(f"{start}{time.monotonic() - self._begun:6.1f} s  {words}", end=end, flush=True)

    def timed(self, words: str, work: Callable[[], Any]) -> Any:
        """Do something and say how long it took."""
        begun = time.monotonic()
        done = work()
        self.line(f"{words} ({time.monotonic() - begun:.1f} s)")
        return done

    def progress(self, progress: Progress) -> None:
        """The bar; without a terminal a line now and then."""
        now = time.monotonic()
        if not self._is_terminal and now - self._last_bar < 5:
            return
        self._last_bar = now
        share = progress.handed_over / progress.frozen if progress.frozen else 0.0
        left = f", about {progress.seconds_left:.0f} s left" if progress.seconds_left and progress.in_progress else ""
        filled = "█" * round(BAR * share)
        words = f"         [{filled:<{BAR}}] {progress.handed_over}/{progress.frozen} handed over, {progress.delivered} delivered"
        words += f", {progress.answered} answered{left}"
        print(f"\r{words}\033[K" if self._is_terminal else words, end="" if self._is_terminal else "\n", flush=True)


def run_demo(crisis_name: str, *, is_once: bool, json_path: Path | None, port: int | None) -> int:
    """The whole story; stays up afterwards unless `is_once`. The exit code says whether every promise was kept."""
    begun = time.monotonic()
    environ = safe_environment(os.environ)
    crisis, printer = load_checked(crisis_name), Printer()
    if port is not None:
        require_free(port)
    with embedded.services(purpose="demo", environ=environ) as services:
        printer.line(f"Postgres 18 and Valkey 9 are up · {crisis.about.en}")
        require_empty_register(services.database_url)
        is_ours = not other_carrier(environ)
        if not is_ours:
            printer.line("another carrier stands in the sandbox's place: texts and push go by it, no other way")
        waits = shortened_waits(share_of(crisis)) if crisis.live else {}
        stage = Stage(services, mode="demo", overrides=waits, port=port, ways=ALL_WAYS if is_ours else (), has_own_ends=is_ours)
        try:
            accounts = _set_the_stage(stage, crisis, printer)
            told = _tell(stage, crisis, accounts, printer)
            figures = _figures(stage, told, seconds=time.monotonic() - begun)
            _print_sheet(stage, told, accounts)
            _print_told(stage, told, printer)
            _print_verdict(figures, printer)
            if json_path is not None:
                json_path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
            if not is_once:
                _stay(stage, told, accounts)
        finally:
            stage.close()
    return 0 if _is_good(figures) else 1


def run_replay(file: str, base_url: str, tokens: Mapping[str, str], *, incident_id: str | None, shuffle: int | None) -> int:
    """Play a crisis file into a running Siaga; the exit code says whether every step was taken.

    `shuffle`: what was said arrives in another order, a number for each, in an incident of its own.
    """
    printer, crisis, api = Printer(), load_checked(file), Api(base_url, tokens)
    steps = None if shuffle is None else shuffled(crisis, shuffle)
    incident_id = incident_id or open_incident(crisis, api, edition="" if shuffle is None else f"shuffled-{shuffle}")
    result = replay(crisis, api, incident_id=incident_id, steps=steps, on_step=lambda outcome: printer.line(line_for(outcome)))
    printer.line(f"incident {result.incident_id}: {base_url}/incidents/{result.incident_id}")
    return 1 if result.count("failed") else 0


def _set_the_stage(stage: Stage, crisis: Crisis, printer: Printer) -> dict[str, Account]:
    printer.timed("tables made, missions loaded", stage.migrate)
    sources = {crisis.opened_by, *(step.by for step in crisis.steps if hasattr(step, "by"))}
    missions = sorted(source.removeprefix("mission:") for source in sources if source.startswith("mission:"))
    accounts = printer.timed("accounts made", lambda: stage.make_accounts({code: code for code in missions}))
    path = stage.folder / "register.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        summary = write_register(file, RegisterPlan.from_json(crisis.register_), as_of=datetime.now(UTC))
    _, counts = printer.timed(f"register invented: {summary}", lambda: load_register(stage.settings, stage.sessions, path))
    printer.line("imported: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    known = "web_push" in stage.settings.channels
    browsers = enter_browsers(stage.settings, stage.sessions, path, carrier_url=stage.carrier_url) if known else 0
    own = {_speaker(accounts, source).username: number for source, number in crisis.duty_phones.items()}
    phones = enter_phones(stage.settings, stage.sessions, own)
    printer.line(f"{browsers} browsers take messages, {len(phones)} of the staff have a telephone")
    replies = crisis.carrier.get("replies")
    plan = {"replies": replies} if replies else {}
    printer.timed("carrier, API, workers and relay are up", lambda: stage.start(plan=plan, concurrency=WORKERS))
    writer, approver = _login(accounts["duty_officer"]), _login(accounts["approver"])
    words = prepare_words(crisis, stage.url, writer=writer, approver=approver)
    printer.line(f"{words} prepared messages written by one and approved by another")
    return dict(accounts)


def _tell(stage: Stage, crisis: Crisis, accounts: Mapping[str, Account], printer: Printer) -> Telling:
    tokens = {"ministry": accounts["duty_officer"].token, "minister": accounts["minister"].token}
    tokens |= {f"mission:{account.mission_code}": account.token for account in accounts.values() if account.mission_code}
    api, telling = Api(stage.url, tokens), as_it_happens(crisis, datetime.now(UTC)) if crisis.live else None
    if telling is not None:
        printer.line(f"told as it happens, {1 / share_of(crisis):.0f} times as fast; at minute 1 {crisis.opened_by} opens the incident")
        crisis = telling.crisis

    def on_step(outcome: Outcome) -> None:
        printer.line(line_for(outcome, f"minute {minute_of(crisis, outcome.step.at):>2}" if crisis.live else ""))

    def set_pace(per_second: float) -> None:
        """Both doors of the carrier take turns at this pace together."""
        plan = get_json(f"{stage.carrier_url}/sandbox/plan") or {}
        half = round(per_second / 2, 3)
        post_json(f"{stage.carrier_url}/sandbox/plan", plan | {"sms_per_second": half, "push_per_second": half})

    around = Around(
        set_pace,
        text=None if other_carrier(os.environ) else _duty_phones(stage, crisis, accounts, api).write,
        wait_for=telling.wait_for if telling else lambda _: None,
    )
    teller = Teller(
        crisis,
        api,
        approver=_login(accounts["approver"]),
        around=around,
        on_progress=printer.progress,
        on_step=on_step,
    )
    told = teller.tell()
    set_pace(0)
    return told


def _duty_phones(stage: Stage, crisis: Crisis, accounts: Mapping[str, Account], api: Api) -> DutyPhones:
    """The telephones of those whom the file gives one."""
    names = {source: _speaker(accounts, source).display_name for source in crisis.duty_phones}
    keeper, texts_url = _login(accounts["duty_officer"]), f"{stage.carrier_url}/sandbox/texts"
    return DutyPhones(api, keeper, texts_url, number=stage.settings.twilio.from_, numbers=crisis.duty_phones, names=names)


def _speaker(accounts: Mapping[str, Account], source: str) -> Account:
    """Whose account speaks for `ministry` or `mission:<code>`."""
    return accounts["duty_officer" if source == "ministry" else source.removeprefix("mission:")]


def _login(account: Account) -> Login:
    return Login(account.username, account.password)


def _figures(stage: Stage, told: Telling, *, seconds: float) -> dict[str, Any]:
    """What the outside judge, the tables and the story say."""
    trips = _round_trips(stage)
    judged = stage.judge()["by_broadcast"]
    names = ("handed_over", "delivered", "answered", "unknown", "unreachable", "missed", "sent_twice", "resent")
    with begin(stage.sessions) as session:
        broken = invariants(session)
        answered_by = {row.channel: row.people for row in session.execute(text(ANSWERED_BY))}
        versions = session.execute(text("SELECT coalesce(max(version), 0) FROM snapshot")).scalar_one()
        ours = {str(row.broadcast_id) for row in session.execute(text("SELECT broadcast_id FROM round_trip"))}
    counts = [count for broadcast_id, count in judged.items() if broadcast_id not in ours]
    result = told.result
    return {
        "recipients_frozen": sum(count["frozen"] for count in counts),
        **{name: sum(count[name] for count in counts) for name in names},
        "handed_over_by": stage.accepted_by_way(),
        "answered_by": answered_by,
        "first_sheet_seconds": told.first_sheet_seconds,
        "report_to_screen_p95_ms": told.report_to_screen_p95_ms,
        "sheet_versions": versions,
        "conflicts": result.count("conflicting") if result else 0,
        "held": result.count("held") if result else 0,
        "failed_steps": result.count("failed") if result else 0,
        "statements_published": len(told.public_urls),
        "digests": len(_digests(stage, told)),
        "invariants_violated": len(broken),
        "round_trip_seconds": trips,
        "seconds": round(seconds, 1),
    }


def _round_trips(stage: Stage) -> dict[str, float | None]:
    """How long a test message by each sender took there and back; None where it has not come back in time."""
    deadline = time.monotonic() + TRIP_SECONDS_MAX
    while True:
        with begin(stage.sessions) as session:
            took = {age.sender: age.took_seconds for age in list_ages(session)}
        if None not in took.values() or time.monotonic() > deadline:
            return {sender: None if seconds is None else round(seconds, 1) for sender, seconds in took.items()}
        time.sleep(0.2)


ANSWERED_BY = "SELECT channel, count(DISTINCT citizen_id) AS people FROM checkin GROUP BY 1 ORDER BY people DESC"


def _is_good(figures: Mapping[str, Any]) -> bool:
    is_back = None not in figures["round_trip_seconds"].values()
    return is_back and not any(figures[name] for name in ("missed", "sent_twice", "unknown", "invariants_violated", "failed_steps"))


def _print_verdict(figures: Mapping[str, Any], printer: Printer) -> None:
    by_way = ", ".join(f"{WAY_NAMES.get(way, way)} {count}" for way, count in figures["handed_over_by"].items())
    printer.line(f"handed over by way: {by_way or 'nothing'}")
    answered = ", ".join(f"{way} {people}" for way, people in figures["answered_by"].items())
    printer.line(f"people who answered, by way: {answered or 'nobody'}")
    trips = {sender: "not back" if took is None else f"{took} s" for sender, took in figures["round_trip_seconds"].items()}
    printer.line("a test message by every sender, there and back: " + ", ".join(f"{sender} {took}" for sender, took in trips.items()))
    plain = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    printer.line("the carrier's own log says: " + ", ".join(f"{name} {value}" for name, value in plain.items()))
    printer.line("every promise was kept" if _is_good(figures) else "A PROMISE WAS BROKEN: see the figures above")


def _print_sheet(stage: Stage, told: Telling, accounts: Mapping[str, Account]) -> None:
    """The answer sheet as text."""
    headers = {"Authorization": f"Bearer {accounts['minister'].token}"}
    sheet = _settled_sheet(f"{stage.url}/api/v1/incidents/{told.incident_id}/summary", headers)
    print(f"\n  {sheet['incident']['title']}  ·  version {sheet['version'] or '—'}{'  ·  replayed' if sheet['is_replayed'] else ''}")
    print(f"  “{sheet['sentence']['id']}”\n  “{sheet['sentence']['en']}”\n")
    for number, question in enumerate(sheet["questions"], start=1):
        print(f"  {number}. {question['title']['id']}\n     {question['text']['id']}")
        marks = [f"{len(question[kind])} {words}" for kind, words in (("conflicts", "pertentangan"), ("held", "ditahan")) if question[kind]]
        source = question["source_name"]["id"] if question["source_name"] else "—"
        print(f"     sumber {source} · per {question['as_of'] or '—'}{' · ' + ', '.join(marks) if marks else ''}")
    print()


DIGESTS = """
SELECT at, detail FROM action_log WHERE action = 'digest.told' AND incident_id = CAST(:incident AS uuid) ORDER BY at
"""


def _digests(stage: Stage, told: Telling) -> list[Any]:
    with begin(stage.sessions) as session:
        return list(session.execute(text(DIGESTS), {"incident": told.incident_id}))


CHASED = "SELECT mission_code, word, known_at FROM chase_word WHERE incident_id = CAST(:incident AS uuid) ORDER BY id"


def _print_told(stage: Stage, told: Telling, printer: Printer) -> None:
    """Whom the house asked, and what left it: to the minister's telephone, and to the public."""
    with begin(stage.sessions) as session:
        for row in session.execute(text(CHASED), {"incident": told.incident_id}):
            printer.line(f"reports of {row.mission_code}: {row.word} at {row.known_at:%H:%M:%S}")
    for row in _digests(stage, told):
        printer.line(f"the minister was told at {row.at:%H:%M:%S}, for: {', '.join(row.detail['reasons'])}")
    for url in dict.fromkeys(told.public_urls):
        printer.line(f"said in public: {url}")


def _settled_sheet(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The sheet once a stored version says the same as now; after ten seconds as it is."""
    deadline = time.monotonic() + 10
    while True:
        sheet = get_json(url, headers) or {}
        if sheet.get("version") or time.monotonic() > deadline:
            return sheet
        time.sleep(0.2)


def _stay(stage: Stage, told: Telling, accounts: Mapping[str, Account]) -> None:
    """Say where everything is, and wait for Ctrl-C."""
    print(f"  Halaman / pages      {stage.url}/  (sign in below)")
    print(f"  Kejadian / incident  {stage.url}/incidents/{told.incident_id}")
    print(f"  Menteri / minister   {stage.url}/incidents/{told.incident_id}/minister")
    print(f"  Semua angka / sheet  {stage.url}/incidents/{told.incident_id}/sheet")
    print(f"  API                  {stage.url}/docs\n")
    for account in accounts.values():
        print(f"  {account.username:<18} {account.role.value:<16} password {account.password}")
    print("\n  Ctrl-C stops and removes everything.", flush=True)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
