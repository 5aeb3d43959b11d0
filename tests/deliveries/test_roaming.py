from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.channels.outlets import find_roaming_operator
from alerts.channels.ports import Rejected, Transient, Unknown, Verdict
from alerts.channels.roaming import RoamingCounts, RoamingHttp, RoamingMessage, read_places
from alerts.deliveries.roaming.rules import ALLOWED, RoamingState
from alerts.deliveries.roaming.sending import Patience, commit_intent, run_roaming
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.settings import Settings
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import HATAY, make_incident
from tests.sandbox.world import TOKEN, World, play

SignIn = Callable[..., dict[str, str]]
OPERATOR = "nusantara-seluler"
AT_ONCE = Patience(lease=60, retry=60, count=0)
AS_OF = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
_keys = count(1)


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    """With a home operator."""
    return Settings.model_validate(settings.model_dump() | {"roaming": {"operator": OPERATOR, "url": "http://127.0.0.1:9/roaming"}})


@pytest.fixture
def incident(session: Session) -> Incident:
    return make_incident(session, areas=[HATAY])


@pytest.fixture
def broadcast(session: Session, keyring: Keyring, incident: Incident) -> Broadcast:
    member = make_member(session, incident, make_citizen(session, keyring))
    session.commit()
    return session.get_one(Broadcast, member.broadcast_id)


@pytest.fixture
def ask(client: TestClient, broadcast: Broadcast, sign_in: SignIn) -> Callable[..., Any]:
    url, duty = f"/api/v1/broadcasts/{broadcast.id}/roaming", sign_in("duty_officer")

    def post(country: str = "TR", **more: Any) -> Any:
        headers = duty | {"Idempotency-Key": f"roam-{next(_keys)}"}
        return client.post(url, json={"country": country} | more, headers=headers)

    return post


@dataclass
class Operator:
    """The port: keeps what it is asked, answers as it is told."""

    answers: list[str | Exception] = field(default_factory=list)
    knows: str | None = None
    counted: list[RoamingCounts] = field(default_factory=list)
    asked: list[RoamingMessage] = field(default_factory=list)
    name: str = OPERATOR

    async def ask(self, message: RoamingMessage) -> str:
        self.asked.append(message)
        answer = self.answers.pop(0) if self.answers else "ref-1"
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def find(self, reference: str) -> str | None:
        return self.knows if reference else None

    async def read_counts(self, operator_ref: str) -> RoamingCounts:
        if not (self.counted and operator_ref):
            raise Transient("later")
        return self.counted.pop(0)

    async def close(self) -> None: ...


def run(sessions: Sessions, operator: Operator, patience: Patience = AT_ONCE) -> int:
    return asyncio.run(run_roaming(sessions, operator, patience))


def state(session: Session) -> tuple[Any, ...]:
    return tuple(session.execute(text("SELECT state, error_code, operator_ref, generation FROM roaming_broadcast")).one())


def test_only_an_approved_actual_loud_message_is_handed_to_operators(
    session: Session, ask: Callable[..., Any], broadcast: Broadcast, incident: Incident
) -> None:
    assert ask("ID").json()["field"] == "country"
    assert ask("XX").status_code == 422
    incident.is_quiet = True
    session.commit()
    assert ask().json()["code"] == "incident_quiet_no_roaming"
    incident.is_quiet = False
    broadcast.state = "cancelled"  # type: ignore[assignment]
    session.commit()
    assert ask().json()["code"] == "not_approved"
    assert session.execute(text("SELECT count(*) FROM roaming_broadcast")).scalar_one() == 0


def test_a_message_whose_time_is_over_reaches_no_country_and_a_later_one_is_told_what_is_left(
    session: Session, ask: Callable[..., Any], broadcast: Broadcast, savepoint_sessions: Sessions
) -> None:
    operator = Operator()
    ask()
    session.execute(text("UPDATE broadcast SET approved_at = clock_timestamp() - interval '50 minutes'"))
    session.commit()
    run(savepoint_sessions, operator)
    assert 590 <= operator.asked[0].validity_seconds <= 600
    ask("SA")
    session.execute(text("UPDATE broadcast SET approved_at = clock_timestamp() - interval '61 minutes'"))
    session.commit()
    run(savepoint_sessions, operator)
    assert [message.country for message in operator.asked] == ["TR"]
    left_out = session.execute(text("SELECT state, error_code FROM roaming_broadcast WHERE country = 'SA'")).one()
    assert left_out == ("refused", "message_expired")
    session.expire_all()
    assert ask("AE").json()["code"] == "message_expired"


def test_an_exercise_never_reaches_a_whole_country(client: TestClient, session: Session, keyring: Keyring, sign_in: SignIn) -> None:
    exercise = make_incident(session, areas=[HATAY], status="Exercise")
    member = make_member(session, exercise, make_citizen(session, keyring, is_tester=True))
    session.commit()
    headers = sign_in("duty_officer") | {"Idempotency-Key": "roam-exercise"}
    answer = client.post(f"/api/v1/broadcasts/{member.broadcast_id}/roaming", json={"country": "TR"}, headers=headers)
    assert answer.json()["code"] == "exercise_reaches_testers_only"


def test_who_may_ask(client: TestClient, broadcast: Broadcast, sign_in: SignIn) -> None:
    url = f"/api/v1/broadcasts/{broadcast.id}/roaming"
    for role in ("minister", "approver", "mission_staff"):
        headers = sign_in(role) | {"Idempotency-Key": f"roam-{role}"}
        assert client.post(url, json={"country": "TR"}, headers=headers).status_code == 403
    assert client.get(url, headers=sign_in("minister")).json() == []
    assert client.get(url, headers=sign_in("mission_staff", "kbri-damascus")).status_code == 404


def test_asked_twice_is_one_broadcast_and_the_log_says_who(session: Session, ask: Callable[..., Any]) -> None:
    first, second = ask().json(), ask().json()
    assert first["id"] == second["id"]
    assert ask("TR", language="en").json()["id"] != first["id"]
    assert session.execute(text("SELECT count(*) FROM action_log WHERE action = 'roaming.asked'")).scalar_one() == 2
    kept = session.execute(text("SELECT * FROM roaming_broadcast LIMIT 1")).mappings().one()
    assert not {"citizen_id", "phone_id", "member_id"} & set(kept)


def test_intent_hand_over_record_and_a_series_of_phones(
    client: TestClient, session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions, broadcast: Broadcast, sign_in: SignIn
) -> None:
    asked = ask().json()
    later = AS_OF + timedelta(minutes=5)
    counts = [RoamingCounts(AS_OF, 900, 300, False), RoamingCounts(AS_OF, 900, 300, False), RoamingCounts(later, 950, None, True)]
    operator = Operator(counted=counts)
    for _ in range(5):
        run(savepoint_sessions, operator)
    (message,) = operator.asked
    assert (message.country, message.text, message.reference) == ("TR", f"uji Kode {broadcast.alert_code}", asked["id"])
    (view,) = client.get(f"/api/v1/broadcasts/{broadcast.id}/roaming", headers=sign_in("duty_officer")).json()
    assert (view["state"], view["is_final"]) == ("accepted", True)
    assert [(each["phones_found"], each["phones_delivered"]) for each in view["counts"]] == [(900, 300), (950, None)]
    with pytest.raises(Exception, match="append"):
        session.execute(text("UPDATE roaming_count SET phones_found = 1"))
    session.rollback()


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (Transient("busy", retry_after=30), "asked"),
        (Rejected("http_422", verdict=Verdict.OTHER), "refused"),
        (Unknown("http_500"), "unknown"),
    ],
)
def test_what_the_operator_says(
    session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions, answer: Exception, after: str
) -> None:
    ask()
    operator = Operator([answer])
    run(savepoint_sessions, operator)
    run(savepoint_sessions, operator)
    assert state(session)[0] == after
    assert len(operator.asked) == 1, "an unknown is never handed over again, a refusal neither, a later one waits"


def test_an_unknown_is_found_under_our_own_reference(session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions) -> None:
    ask()
    operator = Operator([Unknown("no_answer")])
    run(savepoint_sessions, operator)
    operator.knows = "ref-9"
    run(savepoint_sessions, operator)
    assert state(session) == ("accepted", None, "ref-9", 1)
    assert len(operator.asked) == 1


def test_a_worker_that_dies_leaves_unknown(session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions) -> None:
    ask()
    assert commit_intent(session, operator=OPERATOR, lease_seconds=60) is not None
    assert commit_intent(session, operator=OPERATOR, lease_seconds=60) is None
    session.execute(text("UPDATE roaming_broadcast SET lease_until = clock_timestamp() - interval '1 second'"))
    session.commit()
    operator = Operator()
    run(savepoint_sessions, operator)
    assert operator.asked == []
    assert state(session)[:2] == ("unknown", "lease_expired")


def test_a_message_taken_back_does_not_leave(
    session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions, broadcast: Broadcast
) -> None:
    ask()
    broadcast.state = "cancelled"  # type: ignore[assignment]
    session.commit()
    operator = Operator()
    run(savepoint_sessions, operator)
    assert operator.asked == []
    assert state(session)[:2] == ("refused", "not_approved_any_more")


def test_a_cancel_between_two_countries_is_seen_before_the_second(
    session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions
) -> None:
    class Slow(Operator):
        """While it is asked for one country, every lease runs out and the message is cancelled."""

        async def ask(self, message: RoamingMessage) -> str:
            with savepoint_sessions.begin() as other:
                other.execute(text("UPDATE roaming_broadcast SET lease_until = clock_timestamp() - interval '1 second'"))
                other.execute(text("UPDATE broadcast SET state = 'cancelled', cancelled_at = clock_timestamp()"))
            return await super().ask(message)

    operator = Slow()
    ask("TR")
    ask("SA")
    run(savepoint_sessions, operator)
    assert len(operator.asked) == 1
    rows = session.execute(
        text("SELECT state, error_code FROM roaming_broadcast WHERE country <> :asked"), {"asked": operator.asked[0].country}
    )
    assert rows.one() == ("refused", "not_approved_any_more")


def test_what_was_not_begun_soon_after_its_intent_does_not_leave(
    session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions
) -> None:
    operator = Operator()
    ask()
    run(savepoint_sessions, operator, Patience(lease=0, retry=60, count=0))
    assert operator.asked == []
    assert state(session)[:2] == ("asked", "not_begun")


def test_words_that_are_not_the_approved_ones_do_not_leave(
    session: Session, ask: Callable[..., Any], savepoint_sessions: Sessions, broadcast: Broadcast
) -> None:
    ask()
    broadcast.texts = {"id": "lain", "en": "other"}
    session.commit()
    operator = Operator()
    run(savepoint_sessions, operator)
    assert operator.asked == []
    assert state(session)[:2] == ("refused", "text_changed")


def test_states() -> None:
    assert RoamingState.SENDING not in ALLOWED[RoamingState.UNKNOWN]
    assert RoamingState.ASKED not in ALLOWED[RoamingState.UNKNOWN]
    assert ALLOWED[RoamingState.ACCEPTED] == ALLOWED[RoamingState.REFUSED] == frozenset()


# -- the HTTP adapter ---------------------------------------------------------------------------------------------------


def adapter(url: str, settings: Settings, **changes: Any) -> RoamingHttp:
    values = {"operator": OPERATOR, "url": f"{url}/roaming/v1/broadcasts", "token": TOKEN} | changes
    found = find_roaming_operator(Settings.model_validate(settings.model_dump() | {"roaming": values}))
    assert isinstance(found, RoamingHttp)
    return found


def message(**changes: Any) -> RoamingMessage:
    values = {"reference": str(uuid4()), "country": "TR", "language": "id", "text": "Gempa kuat.", "validity_seconds": 3600}
    return RoamingMessage(**(values | changes))


def test_the_adapter_asks_finds_and_counts_at_the_sandbox(tmp_path: Path, settings: Settings) -> None:
    async def scene(w: World) -> None:
        port, one = adapter(w.url, settings), message()
        assert await port.find(one.reference) is None
        ref = await port.ask(one)
        assert await port.ask(one) == ref == await port.find(one.reference), "the same reference is the same broadcast"
        counts = [await port.read_counts(ref) for _ in range(3)]
        assert [each.is_final for each in counts] == [False, False, True]
        assert counts[-1].phones_found == counts[-1].phones_delivered
        assert counts[0].as_of.tzinfo is not None
        with pytest.raises(Rejected):
            await port.ask(message(country="??"))
        with pytest.raises(Transient):
            await port.read_counts("0" * 16)
        await port.close()
        stranger = adapter(w.url, settings, token="wrong")
        with pytest.raises(Rejected):
            await stranger.ask(message())
        await stranger.close()

    play(scene, tmp_path / "log")


def test_nobody_there_is_surely_not_sent(settings: Settings) -> None:
    async def scene() -> None:
        port = adapter("http://127.0.0.1:9", settings)
        with pytest.raises(Transient):
            await port.ask(message())
        await port.close()

    asyncio.run(scene())


@pytest.mark.parametrize("described", ["reference=ref", "reference=a,country=b,text=c,who=d", "reference=,country=b,text=c"])
def test_a_description_that_lacks_something_is_refused(described: str) -> None:
    with pytest.raises(ValueError, match="roaming"):
        read_places(described, ("reference", "country", "text"), ("reference", "country", "text"))


def test_demo_and_tests_ask_no_operator_outside(settings: Settings) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Settings.model_validate(settings.model_dump() | {"roaming": {"operator": "x", "url": "https://operator.example/roaming"}})
