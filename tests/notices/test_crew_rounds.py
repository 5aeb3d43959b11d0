"""A call-out ends with its incident, whatever is answered later, and begins anew when that is opened again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.incidents.actions import close_incident, reopen_incident
from alerts.incidents.calling_out import call_out
from alerts.incidents.models import Incident
from alerts.kit.actor import Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.notices.crew.actions import answer_call, call_due
from alerts.notices.crew.queries import list_recent_calls, list_slots
from alerts.notices.crew.rules import Answer, Function, Standing, State
from alerts.staff.sign_in import actor_of
from tests.factories.incidents import OPENER, make_incident
from tests.factories.notices import make_reachable, make_roster
from tests.notices.conftest import ALL
from tests.notices.test_crew import call_of, channels_to, later, stand, standing
from tests.support.stages import wait_until
from workers.wiring import REACTIONS


def is_waiting(sessions: Sessions) -> bool:
    """Whether somebody waits for a row that another transaction holds."""
    with begin(sessions) as session:
        return bool(rows_of(session.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))))


def test_what_is_answered_after_the_closing_calls_nobody(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    first, second = (make_reachable(session, keyring, "duty_officer") for _ in range(2))
    make_roster(session, first, second)
    incident = crisis()
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="salah alarm")
    answer_call(session, actor=actor_of(first, Via.SESSION), call_id=call_of(session, first), answer=Answer.CANNOT)
    session.commit()
    assert clock() == 0
    assert stand(session, incident, Function.DUTY_OFFICER) == [(first.display_name, State.CANNOT)], "it is written down all the same"
    assert channels_to(session, second) == set()


def test_an_answer_that_waits_for_the_closing_calls_nobody(sessions: Sessions, keyring: Keyring) -> None:
    """The closing holds the function; the answer, begun before it is committed, must see that it was stopped."""
    with begin(sessions) as session:
        first, second = (make_reachable(session, keyring, "duty_officer") for _ in range(2))
        make_roster(session, first, second)
        incident = make_incident(session)
        call_out(session, incident.id)
    call_due(sessions, configured=lambda _: ALL, deputy_seconds=180)

    def answer() -> None:
        with begin(sessions) as session:
            answer_call(session, actor=actor_of(first, Via.SESSION), call_id=call_of(session, first), answer=Answer.CANNOT)

    with ThreadPoolExecutor(1) as pool:
        with begin(sessions) as session:
            close_incident(session, actor=OPENER, incident_id=incident.id, reason="salah alarm")
            answered = pool.submit(answer)
            wait_until(lambda: is_waiting(sessions))
        answered.result(timeout=20)
    assert call_due(sessions, configured=lambda _: ALL, deputy_seconds=180) == 0


def test_opening_again_calls_everybody_anew(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    assert "incidents.call_out" in REACTIONS["incident.reopened"]
    first, second, opener = (make_reachable(session, keyring, "duty_officer") for _ in range(3))
    make_roster(session, first, second)
    director = make_reachable(session, keyring, "approver")
    incident = crisis(actor=actor_of(opener, Via.SESSION))
    answer_call(session, actor=actor_of(director, Via.SESSION), call_id=call_of(session, director), answer=Answer.COMING)
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    session.commit()
    before = call_of(session, director)
    reopen_incident(session, actor=OPENER, incident_id=incident.id, reason="gempa susulan")
    call_out(session, incident.id)
    call_out(session, incident.id)
    session.commit()
    clock()
    session.expire_all()
    assert stand(session, incident, Function.DUTY_OFFICER) == [(first.display_name, State.CALLED)], "the first opener is not there now"
    assert stand(session, incident, Function.DIRECTOR) == [(director.display_name, State.CALLED)], "who came then is asked again"
    later(session)
    clock()
    assert [name for name, _ in stand(session, incident, Function.DUTY_OFFICER)] == [first.display_name, second.display_name]
    answered = [call.id for call, _ in list_recent_calls(session, [director.id], status="Actual")]
    assert len(answered) == 1, "an answer is for the newest call"
    assert before not in answered


def test_who_was_on_before_it_was_closed_stays_so(sessions: Sessions, keyring: Keyring) -> None:
    with begin(sessions) as session:
        director = make_reachable(session, keyring, "approver")
        incident = make_incident(session)
        call_out(session, incident.id)
    call_due(sessions, configured=lambda _: ALL, deputy_seconds=180)
    with begin(sessions) as session:
        answer_call(session, actor=actor_of(director, Via.SESSION), call_id=call_of(session, director), answer=Answer.COMING)
        close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    with begin(sessions) as session:
        then = db_now(session)
        reopen_incident(session, actor=OPENER, incident_id=incident.id, reason="gempa susulan")
    with begin(sessions) as session:
        call_out(session, incident.id)
    with begin(sessions) as session:
        past = next(each for each in list_slots(session, incident.id, known_at=then) if each.slot.function is Function.DIRECTOR)
        assert past.standing is Standing.ON
        assert standing(session, incident, Function.DIRECTOR) is Standing.NOBODY_NAMED, "nobody is called yet"


def test_whoever_opens_it_again_is_there(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    officer = make_reachable(session, keyring, "duty_officer")
    incident = crisis()
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="selesai")
    reopen_incident(session, actor=actor_of(officer, Via.SESSION), incident_id=incident.id, reason="gempa susulan")
    call_out(session, incident.id)
    session.commit()
    clock()
    session.expire_all()
    assert stand(session, incident, Function.DUTY_OFFICER) == [(officer.display_name, State.COMING)]
