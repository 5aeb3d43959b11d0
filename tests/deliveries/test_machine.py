"""Claims, sends, crashes, expired leases, callbacks, cancels, opt-outs, answers, steps and resends, in any order.

The functions and Postgres are the real ones; the carrier is a fake at the port and keeps the truth. After every step
the promises of the tables hold and no state fell back; in the end the judge compares the carrier's log with the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from alerts.broadcasts.actions import approve_broadcast, cancel_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.schemas import Approval, BroadcastDraft
from alerts.deliveries.actions import release, ring_due, stop, sweep
from alerts.deliveries.escalation import Patience, begin_next_of_failed, escalate
from alerts.deliveries.evidence import apply_receipts, mark_answered
from alerts.deliveries.facts import export_facts
from alerts.deliveries.lookups import look_up
from alerts.deliveries.messages import Messages
from alerts.deliveries.queries import invariants
from alerts.deliveries.receipts import Receipt, keep_receipts
from alerts.deliveries.resending import resend_unknown
from alerts.deliveries.rules import ALLOWED, Outcome, State, parse_attempt_name
from alerts.deliveries.sending import NOT_BEGUN
from alerts.deliveries.windows import claim_batch, finish_batch, leave_out, load_rows, open_window, record
from alerts.kit.db import Sessions, begin, rows_of
from alerts.sandbox.judge import Attempt as JudgedAttempt
from alerts.sandbox.judge import Ending, Facts, Journal, Member, Terminal, judge
from alerts.settings import Settings
from tests.deliveries.conftest import STEP_IS_OVER, go_on_after_receipts
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.support.machine import FATES, TAKEN, FakeCarrier, Flight, Worker, write

LEASE_SECONDS, STEP_SECONDS = 60.0, 180.0
STEPS = 30
WORDS = ("sent", "delivered", "undelivered", "failed", "queued")
PEOPLE: tuple[dict[str, Any], ...] = (
    {"phones": ("+6281250000001",)},
    {"phones": ("+6281250000002", "+905320000002")},
    {"phones": ("+6281250000003",), "device": "device-of-the-third-person-000001"},
    {"phones": ("+905320000004",)},
    {"phones": ("+6281250000005", "+905320000005"), "device": "device-of-the-fifth-person-000001"},
)


@dataclass
class World:
    """What lasts from one example to the next: the database and the people."""

    settings: Settings
    sessions: Sessions
    people: list[UUID] = field(default_factory=list)
    author: Any = None
    approver: Any = None

    def populate(self) -> None:
        with begin(self.sessions) as session:
            self.people = [make_citizen(session, self.settings.keyring, **person).id for person in PEOPLE]
            self.author, self.approver = make_actor(session, "duty_officer"), make_actor(session, "approver")

    def forget(self) -> None:
        with begin(self.sessions) as session:
            for statement in FORGET:
                session.execute(text(statement))


class Deliveries(RuleBasedStateMachine):
    """One message, three workers, a carrier. `world` is set by the test."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.carrier = FakeCarrier()
        self.workers = [Worker() for _ in range(3)]
        self.is_cancelled = False
        self.opted_out: set[UUID] = set()
        self.answered: set[UUID] = set()
        self.states: dict[int, str] = {}

    # -- the beginning ------------------------------------------------------------------------------------------------

    @initialize(resend=st.sampled_from(["once", "never"]), channels=st.sampled_from([["sms"], ["push", "sms"]]))
    def a_message_is_released(self, resend: str, channels: list[str]) -> None:
        world = self.world
        world.forget()
        with begin(world.sessions) as session:
            incident = make_incident(session)
            command = BroadcastDraft(texts={"id": "Gempa.", "en": "Quake."}, channels=channels, resend_unknown=resend)
            broadcast = draft_broadcast(session, actor=world.author, incident_id=incident.id, command=command)
            submit_broadcast(session, actor=world.author, broadcast_id=broadcast.id, configured=senders())
            approval = Approval(content_hash=broadcast.content_hash or "")
            approve_broadcast(session, actor=world.approver, broadcast_id=broadcast.id, command=approval)
            self.broadcast_id, self.incident_id = broadcast.id, incident.id
        with begin(world.sessions) as session:
            assert release(session, self.broadcast_id, batch_size=2) == len(PEOPLE)

    # -- workers ------------------------------------------------------------------------------------------------------

    @rule(who=st.integers(0, 2), which=st.integers(0, 5))
    def claims(self, who: int, which: int) -> None:
        worker, batches = self.workers[who], self._column("SELECT id FROM delivery_batch ORDER BY id")
        if worker.claim is not None:
            return
        with begin(self.world.sessions) as session:
            claim = claim_batch(session, batches[which % len(batches)], owner=f"worker{who}", lease_seconds=LEASE_SECONDS)
            if claim is None:
                return
            leave_out(session, claim)
            worker.left = load_rows(session, claim)
            worker.messages = Messages.load(session, self.world.settings, claim.broadcast_id)
            worker.claim = claim

    @rule(who=st.integers(0, 2), count=st.integers(1, 2), provider=st.sampled_from(["twilio", "second"]))
    def opens_a_window(self, who: int, count: int, provider: str) -> None:
        worker = self.workers[who]
        if worker.claim is None or not worker.left:
            return
        rows, worker.left = worker.left[:count], worker.left[count:]
        with begin(self.world.sessions) as session:
            sender = "fcm" if worker.claim.channel == "push" else provider
            window = open_window(session, worker.claim, rows, sender=sender, lease_seconds=LEASE_SECONDS)
        if window is None:
            return
        assert not self.is_cancelled, "a window was opened after the cancel"
        assert not {row.citizen_id for row in window.rows} & self.opted_out, "a window was opened for somebody who opted out"
        if worker.claim.step > 1:
            assert not {row.citizen_id for row in window.rows} & self.answered, "a further step for somebody who answered"
        worker.flights.append(Flight(window))

    @rule(who=st.integers(0, 2), fates=st.lists(st.sampled_from(FATES), min_size=2, max_size=2))
    def hands_over(self, who: int, fates: list[str]) -> None:
        self._hand_over(self.workers[who], fates)

    @rule(who=st.integers(0, 2))
    def records(self, who: int) -> None:
        self._record(self.workers[who])

    @rule(who=st.integers(0, 2))
    def gives_back(self, who: int) -> None:
        worker = self.workers[who]
        if worker.claim is not None and not worker.flights:
            with begin(self.world.sessions) as session:
                leave_out(session, worker.claim)
                finished = finish_batch(session, worker.claim, step_seconds=STEP_SECONDS)
                if finished and finished.has_failures:
                    begin_next_of_failed(session, worker.claim.batch_id)
            worker.crash()

    @rule(who=st.integers(0, 2))
    def crashes(self, who: int) -> None:
        self.workers[who].crash()

    @rule()
    def leases_end(self) -> None:
        """A minute passes: whoever holds something has slept past its lease."""
        self._run(*LEASES_END)
        for worker in self.workers:
            worker.lease_over()

    # -- the clock ----------------------------------------------------------------------------------------------------

    @rule()
    def sweeps(self) -> None:
        with begin(self.world.sessions) as session:
            sweep(session)
            ring_due(session)

    @rule()
    def looks_up(self) -> None:
        self._run(*GROW_OLD)
        look_up(self.world.settings, self.world.sessions, self.carrier)  # type: ignore[arg-type]

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=3))
    def resends(self, fates: list[str]) -> None:
        self._run(*GROW_OLD)
        self.carrier.draw = _each(fates)
        resend_unknown(self.world.settings, self.world.sessions, self.carrier)  # type: ignore[arg-type]

    @rule()
    def steps_are_due(self) -> None:
        for statement in STEP_IS_OVER:
            self._run(statement, seconds=STEP_SECONDS)
        with begin(self.world.sessions) as session:
            escalate(session, patience=Patience(STEP_SECONDS))

    @rule()
    def who_failed_goes_on(self) -> None:
        go_on_after_receipts(self.world.sessions)

    # -- the world outside --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.carrier.log)
    @rule(which=st.integers(0, 50), words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))
    def calls_back(self, which: int, words: list[str]) -> None:
        line = self.carrier.log[which % len(self.carrier.log)]
        parsed = parse_attempt_name(line.attempt)
        assert parsed is not None
        assert all(keep_receipts(self.world.sessions, [Receipt(*parsed, "twilio", word, line.provider_id, None) for word in words]))
        with begin(self.world.sessions) as session:
            apply_receipts(session)

    @precondition(lambda self: not self.is_cancelled)
    @rule(is_sure=st.integers(0, 5))
    def is_cancelled_by_the_officer(self, is_sure: int) -> None:
        if is_sure == 0:
            with begin(self.world.sessions) as session:
                cancel_broadcast(session, actor=self.world.author, broadcast_id=self.broadcast_id, reason="salah")
            self.is_cancelled = True
            with begin(self.world.sessions) as session:
                stop(session, self.broadcast_id)

    @rule(who=st.integers(0, len(PEOPLE) - 1))
    def opts_out(self, who: int) -> None:
        self._run("UPDATE citizen SET opted_out_at = clock_timestamp() WHERE id = :id", id=self.world.people[who])
        self.opted_out.add(self.world.people[who])

    @rule(who=st.integers(0, len(PEOPLE) - 1))
    def answers(self, who: int) -> None:
        with begin(self.world.sessions) as session:
            if mark_answered(session, [{"citizen_id": self.world.people[who], "incident_id": self.incident_id}]):
                self.answered.add(self.world.people[who])

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        with begin(self.world.sessions) as session:
            assert invariants(session) == []

    @invariant()
    def nobody_is_texted_by_two_for_one_step(self) -> None:
        """What a provider may have, no other is given: only what surely was not sent goes back to the queue."""
        assert all(len(senders) == 1 for senders in self.carrier.senders().values())

    @invariant()
    def states_only_climb(self) -> None:
        now = {row["id"]: row["state"] for row in self._rows("SELECT id, state FROM delivery")}
        for delivery, before in self.states.items():
            assert delivery in now, "a delivery is gone"
            assert now[delivery] == before or now[delivery] in ABOVE[before], f"{before} became {now[delivery]}"
        self.states = now

    def teardown(self) -> None:
        """Everybody comes back to work, the carrier has a good day, and the judge compares."""
        if not hasattr(self, "broadcast_id"):
            return
        for worker in self.workers:
            worker.crash()
        for _ in range(8):
            self.leases_end()
            self.sweeps()
            for batch in range(len(self._column("SELECT id FROM delivery_batch"))):
                self._work_off(batch)
        for _ in range(2):
            self.looks_up()
        self.promises_hold()
        self.states_only_climb()
        total = self._verdict()
        assert (total.sent_twice, total.outsiders, total.accepted_reads_unknown) == (0, 0, 0), total
        if not self.is_cancelled:
            assert total.missed == 0, total

    def _work_off(self, batch: int) -> None:
        self._run("UPDATE delivery SET next_attempt_at = NULL WHERE state = 'queued'")
        self._run("UPDATE delivery_batch SET due_at = clock_timestamp() WHERE state = 'waiting'")
        self.claims(0, batch)
        worker = self.workers[0]
        while worker.left:
            self.opens_a_window(0, 2, "second" if len(worker.left) % 2 else "twilio")
            self._hand_over(worker, [TAKEN])
            self._record(worker)
        self.gives_back(0)

    def _verdict(self) -> Any:
        with begin(self.world.sessions) as session:
            facts = export_facts(session)
        read = Facts(
            members=tuple(Member(**member) for member in facts["members"]),
            attempts=tuple(JudgedAttempt(**attempt) for attempt in facts["attempts"]),
            endings=tuple(Ending(e["broadcast"], e["person"], Terminal(e["reason"])) for e in facts["endings"]),
            no_resend=frozenset(facts["no_resend"]),
            windows=frozenset(attempt for window in facts["windows"] for attempt in window["attempts"]),
        )
        verdict = judge(Journal(self.carrier.accepted(), refused=frozenset(self.carrier.refused)), read)
        assert (verdict.strays, verdict.unknown_outside_windows) == (0, 0), verdict
        return verdict.total

    def _hand_over(self, worker: Worker, fates: list[str]) -> None:
        flight = worker.unbegun()
        if flight is None or worker.claim is None or worker.messages is None:
            return
        self.carrier.draw = _each(fates)
        written = [write(worker.messages, row, worker.claim.channel, flight.window.sender) for row in flight.window.rows]
        flight.outcomes = [NOT_BEGUN if flight.is_late else self.carrier.send(message, by=flight.window.sender) for message in written]

    def _record(self, worker: Worker) -> None:
        flight = worker.answered()
        if flight is None or worker.claim is None:
            return
        worker.flights.remove(flight)
        outcomes: list[Outcome] = flight.outcomes or []
        waits = [0.0 if outcome.state is State.QUEUED else None for outcome in outcomes]
        with begin(self.world.sessions) as session:
            record(session, worker.claim, flight.window, outcomes, waits)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        with begin(self.world.sessions) as session:
            return rows_of(session.execute(text(query)))

    def _column(self, query: str) -> list[int]:
        return [row["id"] for row in self._rows(query)]

    def _run(self, *statements: str, **values: Any) -> None:
        with begin(self.world.sessions) as session:
            for statement in statements:
                session.execute(text(statement), values)


def _each(fates: list[str]) -> Any:
    """These, one after the other, and again from the first."""
    left: Iterator[str] = iter(())

    def draw() -> str:
        nonlocal left
        fate = next(left, None)
        if fate is None:
            left = iter(fates)
            fate = next(left)
        return fate

    return draw


def _above() -> dict[str, frozenset[str]]:
    """What the table of moves lets a state become in any number of moves, seen from outside (nobody sees `sending`)."""
    found = {}
    for start in State:
        seen: set[State] = set()
        edge = set(ALLOWED[start])
        while edge:
            seen |= edge
            edge = {after for state in edge for after in ALLOWED[state]} - seen
        found[start.value] = frozenset(state.value for state in seen)
    return found


ABOVE = _above()
LEASES_END = (
    """
    UPDATE send_window SET intent_at = intent_at - interval '61 seconds', lease_until = lease_until - interval '61 seconds'
    WHERE closed_at IS NULL AND lease_until > clock_timestamp()
    """,
    "UPDATE delivery_batch SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'claimed'",
)
GROW_OLD = (
    "UPDATE attempt SET intent_at = intent_at - interval '10 minutes', look_up_tried_at = look_up_tried_at - interval '10 minutes'",
)
FORGET = (
    "ALTER TABLE receipt DISABLE TRIGGER USER",
    *(f"DELETE FROM {table}" for table in ("receipt", "attempt", "send_window", "delivery", "delivery_batch", "outbox_event")),
    "ALTER TABLE receipt ENABLE TRIGGER USER",
    "UPDATE audience SET released_at = NULL",
    "UPDATE broadcast SET released_at = NULL",
    "UPDATE citizen SET opted_out_at = NULL",
)


@pytest.mark.parametrize("examples", [25, pytest.param(2000, marks=pytest.mark.long)])
def test_any_order_of_events(sessions: Sessions, committed_settings: Settings, examples: int) -> None:
    world = World(committed_settings, sessions)
    world.populate()
    machine = type("Deliveries", (Deliveries,), {"world": world})
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    profile = hypothesis_settings(max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=quiet)
    run_state_machine_as_test(machine, settings=profile)
