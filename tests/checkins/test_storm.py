"""The storm door: what is answered together is as if it had been answered one by one, whoever else writes at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from alerts.broadcasts.models import AudienceMember
from alerts.checkins.rules import Answer, Channel
from alerts.checkins.schemas import LinkAnswer
from alerts.checkins.storm import Heard, Knock, Noted, Refused, hear_all
from alerts.incidents.rules import Status
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
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
