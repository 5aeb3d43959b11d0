"""Every task of the wiring rung ten times at once, through the whole life of an incident: the outcome is as of one ring each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from alerts.broadcasts.actions import cancel_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.first_alerts import release_first_alert
from alerts.broadcasts.queries import get_broadcast
from alerts.broadcasts.schemas import Approval, BroadcastDraft, Correction, FirstAlert, FollowUp
from alerts.broadcasts.template_rules import TemplateKind
from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.actions import release_all
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.correcting import approve_message, correct_broadcast
from alerts.deliveries.findings import raise_alarm
from alerts.deliveries.following import follow_up
from alerts.deliveries.queries import invariants
from alerts.deliveries.receipts import Receipt, keep_receipts
from alerts.deliveries.roaming.actions import ask_roaming
from alerts.deliveries.roaming.schemas import RoamingAsk
from alerts.deliveries.windows import claim_batch, load_rows, open_window
from alerts.inbox.actions import Inbound, receive_message
from alerts.incidents.queries import get_incident, list_areas
from alerts.kit.db import Sessions, begin, make_engine, make_sessions, rows_of
from alerts.kit.outbox import claim_new
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.families import make_enquiry
from tests.factories.incidents import make_incident
from tests.factories.notices import make_reachable, make_roster
from tests.factories.staff import make_actor
from tests.factories.templates import make_template
from tests.support.servers import Servers, fresh_database
from workers import app as workers_app
from workers.app import Runtime
from workers.tasks import WORKS, perform
from workers.wiring import DRAINS, REACTIONS, schedule

TIMES = 10
TEXTS = {"id": "Gempa kuat.", "en": "Strong earthquake."}
OPERATOR = {"SIAGA_ROAMING_OPERATOR": "operator", "SIAGA_ROAMING_URL": "http://127.0.0.1:9/roam", "SIAGA_ROAMING_TOKEN": "x"}
OURS = {"SIAGA_SYNTHETIC_SMS": "+60123456780", "SIAGA_SYNTHETIC_PUSH": "our-own-device-token"}
SOON = {"SIAGA_LIVE_REFRESH_SECONDS": "3600"}
NOTHING_TO_DO = frozenset({"kit.clean_up", "deliveries.ring"})
"""Tasks that leave no mark in the tables that are compared: they forget what is old, and ring."""
UNSTEADY = frozenset(
    {"outbox_event", "worker_beat", "vital", "snapshot", "figure_minute", "sheet_rest", "send_window", "alembic_version", "action_log"}
)
"""Not compared: hints, measurements, what a sheet is by the second, windows (their number is the pace's), and the log of ids."""


@pytest.fixture
def more_settings() -> dict[str, str]:
    return OPERATOR | OURS | SOON


@dataclass
class Bell:
    """A relay that rings each task so often at once, and remembers which of them changed something."""

    runtime: Runtime
    times: int
    rung: set[str] = field(default_factory=set)
    effective: set[str] = field(default_factory=set)

    def ring(self, name: str, event_id: int | None = None, payload: Mapping[str, Any] | None = None) -> None:
        before = self.marks()
        with ThreadPoolExecutor(self.times) as pool:
            for done in [pool.submit(perform, self.runtime, name, event_id, dict(payload or {})) for _ in range(self.times)]:
                done.result()
        self.rung.add(name)
        if self.marks() != before:
            self.effective.add(name)

    def answer_all(self) -> None:
        """Until no event is untold. A drain is rung once for many events, as the relay does."""
        while True:
            with begin(self.runtime.sessions) as session:
                events = claim_new(session, 200, REACTIONS)
            if not events:
                return
            for name in sorted({task for event in events for task in event.waiting_for if task in DRAINS}):
                self.ring(name)
            for event in events:
                for name in event.waiting_for:
                    if name not in DRAINS:
                        self.ring(name, event.id, event.payload)

    def strike(self) -> None:
        """What the clock rings, once each, and what follows from it."""
        for name in schedule(self.runtime.settings):
            self.ring(name)
            self.answer_all()

    def marks(self) -> dict[str, Any]:
        """What a task can change, roughly: rows and the newest writer of each table."""
        with begin(self.runtime.sessions) as session:
            tables = [name for name in _tables(session) if name not in {"outbox_event", "worker_beat"}]
            parts = [f"SELECT '{t}' AS t, count(*) AS n, max(xmin::text::bigint) AS x FROM {t}" for t in tables]
            return {row["t"]: (row["n"], row["x"]) for row in rows_of(session.execute(text(" UNION ALL ".join(parts))))}


@dataclass
class Life:
    """An incident from its first alert to its correction."""

    settings: Settings
    sessions: Sessions
    bell: Bell

    @property
    def unsure(self) -> tuple[str, str]:
        """Numbers at which the carrier hangs once, after it took the message and before: others for each life, for it remembers."""
        prefix = "+62812" if self.bell.times == 1 else "+62813"
        return f"{prefix}9990408", f"{prefix}9990407"

    def act(self, work: Callable[..., Any]) -> Any:
        """Something that a person does, and all that follows from it."""
        with begin(self.sessions) as session:
            done = work(session)
            session.flush()
            value = getattr(done, "id", None)
        self.bell.answer_all()
        return value

    def run(self, statement: str, **values: Any) -> None:
        with begin(self.sessions) as session:
            session.execute(text(statement), values)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with begin(self.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def live(self) -> None:
        """Each step is one that some task reacts to; the clock strikes between them."""
        ways, keyring = SenderSets.of(self.settings), self.settings.keyring
        with begin(self.sessions) as session:
            for role in ("approver", "duty_officer", "administrator"):
                make_roster(session, make_reachable(session, keyring, role))
            for number in ("+60123000001", "+60123000002", *self.unsure, "+628125000001"):
                make_citizen(session, keyring, phones=(number,))
            make_citizen(session, keyring, device="device-token-of-somebody", phones=("+628125000003",))
            make_citizen(session, keyring, phones=("+628125000005", "+628125000007"))
            officer, approver = make_actor(session, "duty_officer"), make_actor(session, "approver")
            prepared, cancel = make_template(session).id, make_template(session, TemplateKind.CANCEL).id
        incident_id = self.act(make_incident)
        with begin(self.sessions) as session:
            area_id = list_areas(session, incident_id)[0].id
        press = FirstAlert(template_id=prepared, area_id=area_id)
        self.act(
            lambda s: release_first_alert(
                s, actor=officer, incident_id=incident_id, command=press, settings=self.settings, freeze_at_once_max=0
            )
        )
        self.run("UPDATE broadcast SET hold_until = clock_timestamp() - interval '1 second' WHERE state = 'held'")
        self.bell.strike()

        in_an_hour = datetime.now(UTC) + timedelta(hours=1)
        draft = BroadcastDraft(
            texts=TEXTS, channels=["push", "sms"], resend_unknown="once", validity_seconds=3600, next_message_at=in_an_hour
        )
        alert = self.act(lambda s: draft_broadcast(s, actor=officer, incident_id=incident_id, command=draft))
        self.act(lambda s: submit_broadcast(s, actor=officer, broadcast_id=alert, configured=ways, freeze_at_once_max=0))
        self.act(lambda s: self._approve(s, approver, alert))
        self.bell.strike()
        self._hear(alert)
        self.act(
            lambda s: ask_roaming(
                s,
                actor=officer,
                broadcast=get_broadcast(s, alert, officer),
                command=RoamingAsk(country="TR"),
                operator="operator",
                home_country="ID",
            )
        )
        for number, words in {"+60123000001": "1", "+60123000002": "TOLONG", "+60199999999": "tolong saya"}.items():
            self.act(lambda s, n=number, w=words: receive_message(s, keyring=keyring, inbound=Inbound(f"SM{n[1:]}", n, w)))
        self.act(lambda s: make_enquiry(s, keyring, get_incident(s, incident_id)))
        self.act(lambda s: raise_alarm(s, "stop_all", sender="twilio", count=1))
        self._time_passes()
        self.bell.strike()

        with begin(self.sessions) as session:
            make_citizen(session, keyring, phones=("+628125000009",))
        self.bell.strike()
        reminder = self.act(
            lambda s: follow_up(s, actor=officer, broadcast_id=alert, command=FollowUp(texts=TEXTS), configured=ways, freeze_at_once_max=0)
        )
        self.act(lambda s: self._approve(s, approver, reminder))
        self._lose_a_worker(officer, approver, incident_id)
        words = Correction(msg_type="Cancel", template_id=cancel)
        self.act(lambda s: correct_broadcast(s, actor=officer, broadcast_id=alert, command=words, configured=ways, freeze_at_once_max=0))
        self._time_passes()
        self.bell.strike()

    def _approve(self, session: Any, approver: Any, broadcast_id: UUID) -> Any:
        approval = Approval(content_hash=get_broadcast(session, broadcast_id, approver).content_hash or "")
        return approve_message(session, actor=approver, broadcast_id=broadcast_id, command=approval)

    def _lose_a_worker(self, officer: Any, approver: Any, incident_id: UUID) -> None:
        """It has begun with a part of a message and is not heard of again; then the message is cancelled."""
        draft = BroadcastDraft(texts=TEXTS, channels=["sms"])
        with begin(self.sessions) as session:
            broadcast_id = draft_broadcast(session, actor=officer, incident_id=incident_id, command=draft).id
            submit_broadcast(session, actor=officer, broadcast_id=broadcast_id, configured=SenderSets.of(self.settings))
            self._approve(session, approver, broadcast_id)
        release_all(self.settings, self.sessions, broadcast_id)
        [batch, *_] = self.rows("SELECT id FROM delivery_batch WHERE broadcast_id = :id ORDER BY id", id=broadcast_id)
        with begin(self.sessions) as session:
            claim = claim_batch(session, batch["id"], owner="lost", lease_seconds=30)
            assert claim is not None
            assert open_window(session, claim, load_rows(session, claim)[:1], sender="twilio", lease_seconds=30)
            cancel_broadcast(session, actor=officer, broadcast_id=broadcast_id, reason="selesai")
        self.run("UPDATE send_window SET lease_until = clock_timestamp() - interval '1 second' WHERE closed_at IS NULL")
        self.bell.ring("deliveries.sweep")
        self.bell.ring("deliveries.stop", None, {"broadcast_id": str(broadcast_id)})
        self.run("UPDATE delivery_batch SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'claimed'")
        self.bell.answer_all()

    def _hear(self, broadcast_id: UUID) -> None:
        """One text arrived; one did not, and never will: the person has another number."""
        [lost, *others] = self.rows(TAKEN, id=broadcast_id)
        kept = [Receipt(lost["id"], lost["attempts"], "twilio", "undelivered", lost["provider_id"], "30005")]
        kept += [Receipt(each["id"], each["attempts"], "twilio", "delivered", each["provider_id"], None) for each in others[:1]]
        assert all(keep_receipts(self.sessions, kept))

    def _time_passes(self) -> None:
        """Ten minutes, and a worker that was lost in between."""
        self.run("UPDATE attempt SET intent_at = intent_at - interval '10 minutes', resolved_at = resolved_at - interval '10 minutes'")
        self.run("UPDATE delivery SET accepted_at = accepted_at - interval '10 minutes' WHERE accepted_at IS NOT NULL")
        self.run("UPDATE delivery_batch SET next_step_at = clock_timestamp() WHERE next_step_at IS NOT NULL")
        self.run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
        self.run("UPDATE broadcast SET next_message_at = clock_timestamp() - interval '1 second' WHERE next_message_at IS NOT NULL")
        self.run("UPDATE paging SET next_at = clock_timestamp() WHERE stopped_at IS NULL")
        self.run("UPDATE incident_mission SET report_due_at = clock_timestamp() - interval '5 minutes'")


def test_every_task_of_the_wiring_is_known() -> None:
    assert wired() == set(WORKS)


# Messages stay where they are at the carrier: how far one got must not hang on the moment of a look-up.
@pytest.mark.parametrize("carrier", [{"receipt_seconds": (600, 600)}], indirect=True, ids=["steady"])
def test_ten_rings_do_what_one_does(servers: Servers, worker_name: str, sending_settings: Settings) -> None:
    outcomes, seen = {}, {}
    for times in (1, TIMES):
        with fresh_database(servers, f"{worker_name}_rings{times}") as url, alive(sending_settings, url, times) as life:
            life.live()
            outcomes[times], seen[times] = outcome_of(life.sessions), life.bell
            with begin(life.sessions) as session:
                assert invariants(session) == []
    assert seen[1].rung == seen[TIMES].rung == wired()
    assert wired() - seen[1].effective == NOTHING_TO_DO, "what has nothing to do here proves nothing"
    assert outcomes[TIMES] == outcomes[1]


@contextmanager
def alive(settings: Settings, url: str, times: int) -> Iterator[Life]:
    """A process with as many connections as rings, over a database of its own."""
    own = settings.model_copy(update={"database": settings.database.model_copy(update={"url": SecretStr(url)})})
    engine = make_engine(url, pool_size=TIMES * 2)
    sessions, carriers = make_sessions(engine), Carriers(own)
    try:
        yield Life(own, sessions, Bell(Runtime(own, sessions, sessions, carriers, SenderSets.of(own)), times))
    finally:
        carriers.close()
        engine.dispose()


def wired() -> set[str]:
    """Every task that an event or the clock rings; their modules are loaded."""
    for module in workers_app.MODULES:
        importlib.import_module(module)
    return {task for tasks in REACTIONS.values() for task in tasks} | set(schedule(Settings()))


def outcome_of(sessions: Sessions) -> dict[str, int]:
    """How many rows of each table there are, by every word of state that they have."""
    with begin(sessions) as session:
        columns = rows_of(session.execute(text(WORDS)))
        found: dict[str, int] = {}
        for table in _tables(session):
            if table in UNSTEADY:
                continue
            words = [row["column_name"] for row in columns if row["table_name"] == table]
            key = f"concat_ws('/', {', '.join(words)})" if words else "''"
            for row in session.execute(text(f"SELECT {key} AS key, count(*) AS n FROM {table} GROUP BY 1")):
                found[f"{table} {row.key}"] = row.n
        return found


def _tables(session: Any) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
    return list(session.execute(text(query)).scalars())


TAKEN = """
SELECT d.id, d.attempts, d.provider_id FROM delivery d JOIN audience_member m ON m.id = d.member_id
WHERE d.broadcast_id = :id AND d.channel = 'sms' AND d.provider_id IS NOT NULL ORDER BY jsonb_array_length(m.further_ways) DESC, d.id
"""

WORDS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name IN ('state', 'kind', 'understood', 'purpose', 'evidence', 'step', 'number', 'sender', 'wave')
ORDER BY 1, 2
"""
