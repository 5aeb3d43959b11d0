"""The storm door: what is answered together is as if it had been answered one by one, whoever else writes at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from alerts.broadcasts.models import AudienceMember
from alerts.checkins.rules import Answer, Channel
from alerts.checkins.schemas import LinkAnswer
from alerts.checkins.storm import Heard, Knock, Noted, Refused, hear_all
from alerts.incidents.rules import Status
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, make_engine, make_sessions
from alerts.kit.errors import NotFoundError
from alerts.kit.ids import member_token
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import make_incident


@pytest.fixture
def members(sessions: Sessions, keyring: Keyring) -> list[AudienceMember]:
    with sessions.begin() as session:
        incident = make_incident(session)
        return [make_member(session, incident, make_citizen(session, keyring)) for _ in range(4)]


def knock(keyring: Keyring, member: AudienceMember, answer: str = "safe", note: str = "", *, generation: int = 1) -> Knock:
    token = member_token(keyring.link, number=member.id, generation=generation)
    return Knock(token, Status.ACTUAL, LinkAnswer(answer=Answer(answer), note=note, channel=Channel.LINK))


def noted(heard: Sequence[Heard]) -> list[Noted]:
    assert all(isinstance(each, Noted) for each in heard), heard
    return [each for each in heard if isinstance(each, Noted)]


def rows(sessions: Sessions) -> list[tuple[int, str]]:
    with sessions() as session:
        return [tuple(row) for row in session.execute(text("SELECT member_id, answer FROM checkin ORDER BY received_at, id"))]


def test_a_group_is_written_in_the_order_in_which_it_came(sessions: Sessions, keyring: Keyring, members: list[AudienceMember]) -> None:
    a, b, c, _ = members
    said = [(a, "safe"), (b, "need_help"), (a, "other"), (c, "safe"), (a, "other"), (a, "safe")]
    heard = noted(hear_all(sessions, keyring, [knock(keyring, member, answer) for member, answer in said]))
    assert [(each.holder.member_id, each.answer.value) for each in heard] == [(member.id, answer) for member, answer in said]
    written = rows(sessions)
    assert [answer for member, answer in written if member == a.id] == ["safe", "other", "safe"], "said twice in a row, it is one"
    assert sorted(written) == sorted([(a.id, "safe"), (a.id, "other"), (a.id, "safe"), (b.id, "need_help"), (c.id, "safe")])
    assert heard[2].received_at == heard[4].received_at
    with sessions() as session:
        events = session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'checkin.recorded'")).scalar_one()
    assert events == len(written)


def test_a_call_for_help_in_a_group_has_its_case_and_a_later_safe_stands_beside_it(
    sessions: Sessions, keyring: Keyring, members: list[AudienceMember]
) -> None:
    a, b, *_ = members
    first = noted(hear_all(sessions, keyring, [knock(keyring, a, "need_help", "lantai 3"), knock(keyring, b)]))
    assert first[0].case is not None
    assert first[1].case is None
    (later,) = noted(hear_all(sessions, keyring, [knock(keyring, a)]))
    assert later.case is not None
    assert later.case.id == first[0].case.id
    assert later.case.says_safe_at is not None
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM help_case WHERE state = 'open'")).scalar_one() == 1


def test_calls_for_help_of_a_group_have_a_case_each_with_its_own_owner_and_history(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        incident = make_incident(session)
        hatay, istanbul = (make_citizen(session, keyring, province_code=place) for place in ("TR-31", "TR-34"))
        calling = [make_member(session, incident, person) for person in (hatay, istanbul)]
        other = make_member(session, make_incident(session), hatay)
    heard = noted(hear_all(sessions, keyring, [knock(keyring, member, "need_help") for member in (*calling, other)]))
    cases = [each.case for each in heard if each.case is not None]
    assert [case.owner_mission for case in cases] == ["kbri-ankara", "kjri-istanbul", "kbri-ankara"]
    assert [(case.citizen_id, case.incident_id, case.version) for case in cases] == [
        (each.holder.citizen_id, each.holder.incident_id, 1) for each in heard
    ]
    assert all(each.owner for each in heard), "the page says who has it"
    with sessions() as session:
        entries = session.execute(text("SELECT case_id, kind, actor FROM help_case_entry ORDER BY id")).all()
        logged = session.execute(text("SELECT subject_id FROM action_log WHERE action = 'case.raised'")).scalars().all()
        told = session.execute(text("SELECT payload ->> 'case_id' FROM outbox_event WHERE name = 'case.raised'")).scalars().all()
    ids = [str(case.id) for case in cases]
    assert [tuple(row) for row in entries] == [
        (case.id, "raised", f"link:member:{each.holder.member_id}") for case, each in zip(cases, heard, strict=True)
    ]
    assert (sorted(logged), sorted(told)) == (sorted(ids), sorted(ids))


def test_links_that_are_none_spoil_nobodys_answer(sessions: Sessions, keyring: Keyring, members: list[AudienceMember]) -> None:
    a, b, *_ = members
    form = LinkAnswer(answer=Answer.SAFE)
    strangers = [
        knock(keyring, b, generation=2),
        Knock("x.y", Status.ACTUAL, form),
        Knock("", Status.ACTUAL, form),
        Knock(knock(keyring, b).token, Status.EXERCISE, form),
        Knock(member_token(keyring.link, number=2**40, generation=1), Status.ACTUAL, form),
    ]
    heard = hear_all(sessions, keyring, [strangers[0], knock(keyring, a), *strangers[1:]])
    assert [each is None for each in heard] == [True, False, True, True, True, True]
    assert rows(sessions) == [(a.id, "safe")]


def test_one_that_cannot_be_written_takes_nobody_with_it(sessions: Sessions, keyring: Keyring, members: list[AudienceMember]) -> None:
    a, b, c, _ = members
    with sessions.begin() as session:
        session.execute(
            text(f"""
            CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.member_id = {b.id} THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse_one BEFORE INSERT ON checkin FOR EACH ROW EXECUTE FUNCTION refuse_one()""")
        )
    try:
        heard = hear_all(sessions, keyring, [knock(keyring, a), knock(keyring, b), knock(keyring, c)])
    finally:
        with sessions.begin() as session:
            session.execute(text("DROP TRIGGER refuse_one ON checkin; DROP FUNCTION refuse_one()"))
    assert [type(each) for each in heard] == [Noted, Refused, Noted]
    assert not isinstance(heard[1].error if isinstance(heard[1], Refused) else None, NotFoundError)
    assert rows(sessions) == [(a.id, "safe"), (c.id, "safe")]


def test_processes_that_write_the_same_people_at_once_write_each_once(
    sessions: Sessions, keyring: Keyring, members: list[AudienceMember]
) -> None:
    groups = [[knock(keyring, member, "need_help") for member in (members if n % 2 else members[::-1])] for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        heard = [each for group in pool.map(lambda group: hear_all(sessions, keyring, group), groups) for each in group]
    assert len(noted(heard)) == 32
    assert sorted(rows(sessions)) == sorted((member.id, "need_help") for member in members)
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM help_case")).scalar_one() == len(members)


def test_two_links_of_one_person_in_a_group_are_one_persons(sessions: Sessions, keyring: Keyring) -> None:
    """The second answer meets the case that the first one has just raised, as it would alone."""
    with sessions.begin() as session:
        incident, person = make_incident(session), make_citizen(session, keyring)
        first, second = make_member(session, incident, person), make_member(session, incident, person)
    heard = noted(hear_all(sessions, keyring, [knock(keyring, first, "need_help"), knock(keyring, second)]))
    assert heard[1].case is not None
    assert heard[1].case.says_safe_at is not None


def test_a_lock_held_elsewhere_keeps_one_waiting_and_not_the_others(
    sessions: Sessions, engine: Engine, keyring: Keyring, members: list[AudienceMember]
) -> None:
    stuck, *others = members
    with engine.begin() as elsewhere:
        key = f"case:{_incident_of(sessions, stuck)}:{stuck.citizen_id}"
        elsewhere.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
        heard = hear_all(sessions, keyring, [knock(keyring, member) for member in members])
    assert [type(each) for each in heard] == [Refused, Noted, Noted, Noted]
    assert sorted(rows(sessions)) == sorted((member.id, "safe") for member in others)
    assert isinstance(hear_all(sessions, keyring, [knock(keyring, stuck)])[0], Noted)


def test_without_a_database_everybody_is_told_at_once_to_come_again(keyring: Keyring, members: list[AudienceMember]) -> None:
    nowhere = make_engine("postgresql+psycopg://nobody:x@127.0.0.1:9/nothing", pool_size=1)
    heard = hear_all(make_sessions(nowhere), keyring, [knock(keyring, member) for member in members * 50])
    assert {type(each) for each in heard} == {Refused}
    assert len({id(each.error) for each in heard if isinstance(each, Refused)}) == 1, "one try for all"


def _incident_of(sessions: Sessions, member: AudienceMember) -> str:
    with sessions() as session:
        query = "SELECT b.incident_id FROM audience_member m JOIN broadcast b ON b.id = m.broadcast_id WHERE m.id = :id"
        return str(session.execute(text(query), {"id": member.id}).scalar_one())
