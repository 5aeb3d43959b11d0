"""Opening an incident calls its crew: by function, deputies after a while, answers by page, key and text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text, true, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.actions import change_incident, close_incident
from alerts.incidents.calling_out import call_out
from alerts.incidents.models import Incident
from alerts.incidents.queries import incident_etag
from alerts.incidents.schemas import IncidentChange
from alerts.kit.actor import SYSTEM, Via
from alerts.kit.audit import list_actions
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin, rows_of
from alerts.kit.errors import InvalidError, NotFoundError
from alerts.notices.contacts import DutyLine
from alerts.notices.crew.actions import answer_by_text, answer_call, set_crew_roster
from alerts.notices.crew.models import CrewCall, CrewSlot
from alerts.notices.crew.queries import list_slots, present_crew
from alerts.notices.crew.rules import Answer, Function, Standing, State, read_answer
from alerts.notices.models import Notice
from alerts.staff.models import Staff
from alerts.staff.sign_in import actor_of
from tests.factories.incidents import OPENER, REPORT_DUE
from tests.factories.notices import make_contact, make_reachable, make_roster


def later(session: Session, seconds: float = 181) -> None:
    """The clock stands so much later: every wait is that much shorter."""
    session.execute(update(CrewSlot).values(next_at=CrewSlot.next_at - timedelta(seconds=seconds)))
    session.commit()


def stand(session: Session, incident: Incident, function: Function) -> list[tuple[str, State]]:
    slots = [each for each in present_crew(session, incident.id) if each.function is function]
    return [(call.display_name, call.state) for slot in slots for call in slot.calls]


def standing(session: Session, incident: Incident, function: Function) -> Standing:
    return next(each.standing for each in list_slots(session, incident.id) if each.slot.function is function)


def call_of(session: Session, staff: Staff) -> UUID:
    return session.scalars(select(CrewCall.id).where(CrewCall.staff_id == staff.id)).one()


def channels_to(session: Session, staff: Staff) -> set[str]:
    return {each.channel.value for each in session.scalars(select(Notice).where(Notice.staff_id == staff.id, Notice.kind == "callout"))}


def test_every_function_is_called_at_once_by_everything_that_reaches_them(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident]
) -> None:
    officer = make_reachable(session, keyring, "duty_officer", "phone", "push")
    aide = make_reachable(session, keyring, "minister")
    set_crew_roster(session, actor=SYSTEM, function=Function.MINISTER_AIDE, lines=[DutyLine(aide.id)])
    head = make_reachable(session, keyring, "head_of_mission")
    incident = crisis()
    assert channels_to(session, officer) == {"sms", "voice", "push"}
    for staff in (aide, head):
        assert channels_to(session, staff) == {"sms", "voice"}
    assert standing(session, incident, Function.DUTY_OFFICER) is Standing.CALLING
    assert standing(session, incident, Function.SPOKESMAN) is Standing.NOBODY_NAMED, "nobody stands on its roster"
    assert stand(session, incident, Function.HEAD_OF_MISSION)[0] == (head.display_name, State.CALLED)


def test_the_next_deputy_is_called_after_the_wait_unless_somebody_is_coming(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    first, second, third = (make_reachable(session, keyring, "duty_officer") for _ in range(3))
    make_roster(session, first, second, third)
    incident = crisis()
    assert stand(session, incident, Function.DUTY_OFFICER) == [(first.display_name, State.CALLED)]
    later(session, 170)
    clock()
    assert len(stand(session, incident, Function.DUTY_OFFICER)) == 1, "the wait is not over"
    later(session, 11)
    clock()
    assert stand(session, incident, Function.DUTY_OFFICER) == [
        (first.display_name, State.NO_ANSWER), (second.display_name, State.CALLED)
    ]  # fmt: skip
    answer_call(session, actor=actor_of(second, Via.SESSION), call_id=call_of(session, second), answer=Answer.COMING)
    session.commit()
    later(session)
    clock()
    assert len(stand(session, incident, Function.DUTY_OFFICER)) == 2, "somebody is coming"
    assert standing(session, incident, Function.DUTY_OFFICER) is Standing.ON


def test_who_cannot_is_followed_at_once_and_whoever_turns_round_counts(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    first, second = (make_reachable(session, keyring, "duty_officer") for _ in range(2))
    make_roster(session, first, second)
    incident = crisis()
    answer_call(session, actor=actor_of(first, Via.SESSION), call_id=call_of(session, first), answer=Answer.CANNOT)
    session.commit()
    clock()
    assert stand(session, incident, Function.DUTY_OFFICER) == [(first.display_name, State.CANNOT), (second.display_name, State.CALLED)]
    answer_call(session, actor=actor_of(first, Via.SESSION), call_id=call_of(session, first), answer=Answer.COMING)
    answer_call(session, actor=actor_of(second, Via.SESSION), call_id=call_of(session, second), answer=Answer.CANNOT)
    session.commit()
    clock()
    assert standing(session, incident, Function.DUTY_OFFICER) is Standing.ON
    done = [line.action for line in list_actions(session, incident.id, true())]
    assert done.count("crew.coming") == 1
    assert done.count("crew.cannot") == 2


def test_when_nobody_is_left_it_says_so_and_a_late_yes_still_counts(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    only = make_reachable(session, keyring, "duty_officer")
    incident = crisis()
    later(session)
    clock()
    assert standing(session, incident, Function.DUTY_OFFICER) is Standing.NOBODY
    answer_call(session, actor=actor_of(only, Via.SESSION), call_id=call_of(session, only), answer=Answer.COMING)
    session.commit()
    assert standing(session, incident, Function.DUTY_OFFICER) is Standing.ON


def test_whoever_opened_it_is_there_and_is_not_called(session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
    officer = make_reachable(session, keyring, "duty_officer")
    incident = crisis(actor=actor_of(officer, Via.SESSION))
    assert stand(session, incident, Function.DUTY_OFFICER) == [(officer.display_name, State.COMING)]
    assert channels_to(session, officer) == set()


def test_hours_in_their_own_zone_decide_who_is_first(session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
    day, night = make_reachable(session, keyring, "approver"), make_reachable(session, keyring, "approver")
    now = session.execute(text("SELECT (now() AT TIME ZONE 'Asia/Tokyo')::time(0)")).scalar_one()
    begins = now.replace(hour=(now.hour + 2) % 24), now.replace(hour=(now.hour + 4) % 24)
    lines = [DutyLine(day.id, hours=begins, zone="Asia/Tokyo"), DutyLine(night.id)]
    set_crew_roster(session, actor=SYSTEM, function=Function.DIRECTOR, lines=lines)
    incident = crisis()
    assert stand(session, incident, Function.DIRECTOR) == [(night.display_name, State.CALLED)]


def test_a_quiet_incident_rings_no_phone_at_a_mission_and_names_nothing(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident]
) -> None:
    head, officer = make_reachable(session, keyring, "head_of_mission"), make_reachable(session, keyring, "duty_officer")
    crisis(is_quiet=True, quiet_reason="penyerangan", title="Serangan bersenjata")
    assert channels_to(session, head) == {"sms"}
    assert channels_to(session, officer) == {"sms", "voice"}
    assert not [row for row in session.scalars(select(Notice)) if "Serangan" in row.body]


def test_an_incident_made_quiet_meanwhile_is_quiet_for_deputies(
    session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]
) -> None:
    first, second = (make_reachable(session, keyring, "head_of_mission") for _ in range(2))
    make_roster(session, first, second)
    incident = crisis(title="Serangan bersenjata")
    command = IncidentChange(is_quiet=True, quiet_reason="penyerang di dalam gedung")
    change_incident(
        session, actor=OPENER, incident_id=incident.id, command=command, if_match=incident_etag(incident), report_due=REPORT_DUE
    )
    call_out(session, incident.id)
    session.commit()
    later(session)
    clock()
    assert channels_to(session, second) == {"sms"}
    assert "Serangan" not in session.scalars(select(Notice.body).where(Notice.staff_id == second.id)).one()


def test_an_exercise_says_so_and_lies_on_its_own_page(session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
    officer = make_reachable(session, keyring, "duty_officer")
    crisis(status="Exercise")
    rows = session.scalars(select(Notice).where(Notice.staff_id == officer.id)).all()
    assert {row.status for row in rows} == {"Exercise"}
    assert all(row.body.startswith("LATIHAN") and row.path == "/exercise/duty" for row in rows)


def test_closing_ends_the_calling(session: Session, keyring: Keyring, crisis: Callable[..., Incident], clock: Callable[[], int]) -> None:
    first, second = (make_reachable(session, keyring, "duty_officer") for _ in range(2))
    make_roster(session, first, second)
    incident = crisis()
    close_incident(session, actor=OPENER, incident_id=incident.id, reason="salah alarm")
    session.commit()
    later(session)
    assert clock() == 0
    assert {row.state.value for row in session.scalars(select(Notice).where(Notice.staff_id == first.id))} == {"cancelled"}


def test_nobody_is_called_for_a_replay(session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
    make_reachable(session, keyring, "duty_officer")
    assert present_crew(session, crisis(is_replayed=True).id) == []


def test_another_persons_call_is_none_of_ones_own(session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
    officer, other = make_reachable(session, keyring, "duty_officer"), make_reachable(session, keyring, "approver")
    crisis()
    with pytest.raises(NotFoundError):
        answer_call(session, actor=actor_of(other, Via.SESSION), call_id=call_of(session, officer), answer=Answer.COMING)


def test_what_was_called_and_said_cannot_be_changed(session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
    make_reachable(session, keyring, "duty_officer")
    crisis()
    with pytest.raises(DBAPIError, match="crew_call"), session.begin_nested():
        session.execute(text("UPDATE crew_call SET called_at = now()"))


def test_who_was_on_at_a_past_moment_stays_so(
    session: Session, savepoint_sessions: Sessions, keyring: Keyring, crisis: Callable[..., Incident]
) -> None:
    officer = make_reachable(session, keyring, "duty_officer")
    incident = crisis()
    with begin(savepoint_sessions) as other:
        then = rows_of(other.execute(text("SELECT clock_timestamp() AS at")))[0]["at"]
    before = [(each.slot.function, each.states) for each in list_slots(session, incident.id, known_at=then)]
    session.execute(text("INSERT INTO crew_answer (call_id, answer, way, answered_at) VALUES (:id, 'coming', 'page', clock_timestamp())"),
                    {"id": call_of(session, officer)})  # fmt: skip
    assert [(each.slot.function, each.states) for each in list_slots(session, incident.id, known_at=then)] == before


class TestByText:
    """A reply from the phone that was called."""

    def answer(self, session: Session, keyring: Keyring, said: str, *, may_be_bare: bool = True, status: str = "Actual") -> UUID | None:
        return answer_by_text(session, keyring, number="+628117654321", status=status, text=said, may_be_bare=may_be_bare)

    @pytest.fixture
    def officer(self, session: Session, keyring: Keyring) -> Staff:
        officer = make_reachable(session, keyring, "duty_officer", "push")
        make_contact(session, keyring, officer, "phone", "+628117654321")
        return officer

    @pytest.mark.usefixtures("officer")
    @pytest.mark.parametrize(("said", "state"), [("DATANG", State.COMING), ("tidak bisa.", State.CANNOT), ("1", State.COMING)])
    def test_an_answer_is_taken(self, session: Session, keyring: Keyring, crisis: Callable[..., Incident], said: str, state: State) -> None:
        incident = crisis()
        assert self.answer(session, keyring, said) == incident.id
        assert [each for _, each in stand(session, incident, Function.DUTY_OFFICER)] == [state]

    @pytest.mark.usefixtures("officer")
    @pytest.mark.parametrize("said", ["datang jam berapa?", "tolong", "", "3", "LAPOR DIRI", "tidak aman"])
    def test_anything_more_is_for_a_person(self, session: Session, keyring: Keyring, crisis: Callable[..., Incident], said: str) -> None:
        crisis()
        assert read_answer(said) is None
        assert self.answer(session, keyring, said) is None

    @pytest.mark.usefixtures("officer")
    def test_a_lone_digit_of_somebody_who_may_be_a_citizen_is_not_taken(
        self, session: Session, keyring: Keyring, crisis: Callable[..., Incident]
    ) -> None:
        crisis()
        assert self.answer(session, keyring, "2", may_be_bare=False) is None
        assert self.answer(session, keyring, "TIDAK", may_be_bare=False) is not None

    @pytest.mark.usefixtures("officer")
    def test_an_exercise_is_answered_to_its_own_number(self, session: Session, keyring: Keyring, crisis: Callable[..., Incident]) -> None:
        crisis(status="Exercise")
        assert self.answer(session, keyring, "DATANG") is None
        assert self.answer(session, keyring, "DATANG", status="Exercise") is not None


def test_rosters_of_functions_hold_people_of_the_ministry(session: Session, keyring: Keyring) -> None:
    head = make_reachable(session, keyring, "head_of_mission")
    with pytest.raises(InvalidError):
        set_crew_roster(session, actor=SYSTEM, function=Function.DIRECTOR, lines=[DutyLine(head.id)])
    with pytest.raises(InvalidError):
        set_crew_roster(session, actor=SYSTEM, function=Function.DUTY_OFFICER, lines=[])
