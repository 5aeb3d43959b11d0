"""Latecomers: who is one, how many may follow by themselves, and what ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.broadcasts import rules
from alerts.broadcasts.actions import cancel_broadcast
from alerts.broadcasts.calls import wave_still_waits
from alerts.broadcasts.models import Audience
from alerts.broadcasts.waves import list_open_for_waves, open_wave
from alerts.deliveries.actions import release
from alerts.incidents.actions import close_incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from alerts.notices.models import Paging
from tests.broadcasts.conftest import people
from tests.broadcasts.test_routes import Desk
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor

WAYS = senders()


@pytest.fixture
def released(session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: UUID) -> UUID:
    """A message that four people are being sent."""
    people(session, keyring, 4)
    broadcast = officer.submitted(incident_id, validity_seconds=3600)
    assert approver.approve(broadcast).status_code == 200
    assert release(session, UUID(broadcast["id"]), batch_size=500) == 4
    session.commit()
    return UUID(broadcast["id"])


def found(session: Session, broadcast_id: UUID) -> Audience | None:
    wave = open_wave(session, broadcast_id, configured=WAYS)
    session.commit()
    return wave


def sent_to(session: Session, wave: Audience) -> int:
    """How many of a wave were given to the workers just now."""
    return release(session, wave.broadcast_id, audience_id=wave.id, batch_size=500)


def crowd(session: Session, count: int) -> None:
    """So many more people in Türkiye, without an address: who is a latecomer does not depend on it."""
    session.execute(
        text(
            "INSERT INTO citizen (id, external_id, name_enc, name_index, language, class, country_iso2)"
            " SELECT gen_random_uuid(), 'M-' || gen_random_uuid(), '', '', 'id', 'resident', 'TR' FROM generate_series(1, :n)"
        ),
        {"n": count},
    )
    session.commit()


@given(st.integers(min_value=0, max_value=2_000_000))
def test_the_limit_is_a_quarter_or_five_hundred_whichever_is_larger(first: int) -> None:
    assert rules.wave_limit(first) == max(first // 4, 500)


BARRED_WORDS = {"id": "Menjauh dari pantai. Telepon 021 344 1508.", "en": "Leave the coast. Call 021 344 1508."}


def test_a_number_whose_networks_block_the_words_keeps_no_latecomer_waiting(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: UUID
) -> None:
    people(session, keyring, 1)
    broadcast = officer.submitted(incident_id, texts=BARRED_WORDS)
    assert approver.approve(broadcast).status_code == 200
    release(session, UUID(broadcast["id"]), batch_size=500)
    make_citizen(session, keyring, external_id="both", phones=("+6281299000001", "+971501234567"))
    make_citizen(session, keyring, external_id="first", phones=("+971501234568", "+6281299000002"))
    make_citizen(session, keyring, external_id="only", phones=("+971501234569",))
    make_citizen(session, keyring, external_id="no", phones=("+6281299000003",))
    session.commit()
    wave = found(session, UUID(broadcast["id"]))
    assert wave is not None
    assert (wave.count, wave.needs_approval, wave.words_barred) == (4, False, 3)
    ways = {name: (first, why, country, further) for name, first, why, country, further in session.execute(text(WAYS_OF), {"id": wave.id})}
    assert ways == {
        "both": ("sms", None, "ID", 0),
        "first": ("sms", None, "ID", 0),
        "only": ("none", "words_barred", "AE", 0),
        "no": ("sms", None, "ID", 0),
    }
    [told] = officer.get(f"/api/v1/broadcasts/{broadcast['id']}/waves").json()
    assert told["words_barred"] == 3
    assert sent_to(session, wave) == 4
    assert session.scalars(text("SELECT error_code FROM delivery WHERE state = 'failed'")).all() == ["words_barred"]


WAYS_OF = """
SELECT c.external_id, m.channel, m.unreachable, m.number_country, jsonb_array_length(m.further_ways)
FROM audience_member m JOIN citizen c ON c.id = m.citizen_id WHERE m.audience_id = :id
"""


def test_who_comes_later_is_a_wave_with_its_own_count(session: Session, keyring: Keyring, released: UUID) -> None:
    assert list_open_for_waves(session) == [released]
    assert found(session, released) is None
    people(session, keyring, 2)
    wave = found(session, released)
    assert wave is not None
    assert (wave.wave, wave.number, wave.count, wave.needs_approval) == (2, 2, 2, False)
    assert found(session, released) is None
    people(session, keyring, 1)
    third = found(session, released)
    assert third is not None
    assert (third.wave, third.count) == (3, 1)
    told = session.scalars(text("SELECT payload ->> 'audience_id' FROM outbox_event WHERE name = 'broadcast.wave_approved' ORDER BY id"))
    assert [int(each) for each in told] == [wave.id, third.id]


def test_a_latecomer_goes_by_the_ways_that_nobody_on_the_list_has_and_who_has_none_is_counted(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: UUID
) -> None:
    make_citizen(session, keyring, phones=("+6281200000001",))
    make_citizen(session, keyring, device="token-bersama")
    session.commit()
    broadcast = officer.submitted(incident_id)
    approver.approve(broadcast)
    release(session, UUID(broadcast["id"]), batch_size=500)
    make_citizen(session, keyring, phones=("+6281200000001",))
    session.commit()
    for _ in range(2):
        assert found(session, UUID(broadcast["id"])) is None, "the number of a member is theirs"
    assert officer.get(f"/api/v1/broadcasts/{broadcast['id']}").json()["sharing_address"] == 1, "counted once, however often one looks"
    make_citizen(session, keyring, phones=("+6281200000001", "+6281200000002"))
    make_citizen(session, keyring, phones=("+6281200000002",))
    session.commit()
    wave = found(session, UUID(broadcast["id"]))
    assert wave is not None
    assert (wave.count, wave.sharing_address, wave.sharing_ways) == (1, 1, 1)
    [told] = officer.get(f"/api/v1/broadcasts/{broadcast['id']}/waves").json()
    assert (told["count"], told["sharing_address"]) == (1, 1)


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_number_that_comes_later_for_a_member_is_the_latecomers_until_it_is_written_to(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: UUID, has_begun: bool
) -> None:
    make_citizen(session, keyring, phones=("+6281200000001", "+6281200000002"))
    session.commit()
    broadcast = officer.submitted(incident_id)
    approver.approve(broadcast)
    release(session, UUID(broadcast["id"]), batch_size=500)
    if has_begun:
        session.execute(text(SECOND_STEP))
    make_citizen(session, keyring, external_id="wife", phones=("+6281200000002",))
    session.commit()
    wave = found(session, UUID(broadcast["id"]))
    if has_begun:
        assert wave is None, "the words are on that phone already"
    else:
        assert wave is not None
        assert (wave.count, wave.sharing_address, sent_to(session, wave)) == (1, 0, 1)


SECOND_STEP = """
INSERT INTO delivery (id, member_id, broadcast_id, batch_id, address_id, step, channel, number_country)
SELECT d.id + 1, d.member_id, d.broadcast_id, d.batch_id, CAST(m.further_ways -> 0 ->> 1 AS uuid), 2, m.further_ways -> 0 ->> 0, 'ID'
FROM delivery d JOIN audience_member m ON m.id = d.member_id
"""


@pytest.mark.parametrize(("latecomers", "waits"), [(500, False), (501, True)])
def test_beyond_the_limit_a_person_is_asked(session: Session, released: UUID, latecomers: int, waits: bool) -> None:
    crowd(session, latecomers)
    wave = found(session, released)
    assert wave is not None
    assert (wave.count, wave.needs_approval) == (latecomers, waits)
    assert session.execute(text("SELECT count(*) FROM paging WHERE kind = 'wave'")).scalar_one() == int(waits)


def test_together_they_count_and_a_new_approval_begins_anew(
    session: Session, released: UUID, approver: Desk, officer: Desk, client: Any, sign_in: Callable[..., Any]
) -> None:
    crowd(session, 400)
    found(session, released)
    crowd(session, 101)
    wave = found(session, released)
    assert wave is not None
    assert (wave.count, wave.needs_approval) == (101, True)
    assert sent_to(session, wave) == 0
    crowd(session, 3)
    assert found(session, released) is None  # one waits at a time
    path = f"/api/v1/broadcasts/{released}/waves/3/approve"
    assert officer.post(path, {"count": 101}).status_code == 403
    token = Desk(client, sign_in("approver", via="token"))
    assert token.post(path, {"count": 101}).json()["code"] == "session_required"
    assert approver.post(path, {"count": 100}).json()["code"] == "count_differs"
    assert approver.post(f"/api/v1/broadcasts/{released}/waves/2/approve", {"count": 400}).json()["code"] == "not_waiting"
    assert approver.post(f"/api/v1/broadcasts/{released}/waves/9/approve", {"count": 1}).status_code == 404
    done = approver.post(path, {"count": 101})
    assert (done.status_code, done.json()["approved_by"] is not None) == (200, True)
    assert sent_to(session, wave) == 101
    assert sent_to(session, wave) == 0
    later = found(session, released)
    assert later is not None
    assert (later.count, later.needs_approval) == (3, False)


def test_a_wave_that_waited_past_the_promised_time_is_not_promised_it(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: UUID
) -> None:
    people(session, keyring, 1)
    soon = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    broadcast = officer.submitted(incident_id, validity_seconds=3600, next_message_at=soon)
    assert approver.approve(broadcast).status_code == 200
    assert release(session, UUID(broadcast["id"]), batch_size=500) == 1
    crowd(session, 501)
    wave = found(session, UUID(broadcast["id"]))
    assert wave is not None
    assert (wave.needs_approval, wave.is_after_promise) == (True, False)
    session.execute(text("UPDATE broadcast SET next_message_at = now()"))
    session.commit()
    done = approver.post(f"/api/v1/broadcasts/{broadcast['id']}/waves/2/approve", {"count": 501})
    assert (done.status_code, done.json()["is_after_promise"]) == (200, True)


def test_whoever_wrote_the_message_approves_no_wave_of_it(session: Session, keyring: Keyring, released: UUID) -> None:
    crowd(session, 501)
    wave = found(session, released)
    assert wave is not None
    author = session.execute(text("SELECT created_by FROM broadcast WHERE id = :id"), {"id": released}).scalar_one()
    with pytest.raises(IntegrityError, match="a wave of it"), session.begin_nested():
        session.execute(
            text("UPDATE audience SET approved_by = :who, approved_via = 'session' WHERE id = :id"), {"who": author, "id": wave.id}
        )
    with pytest.raises(IntegrityError, match="wave_approved_by_person"), session.begin_nested():
        session.execute(text("UPDATE audience SET released_at = now() WHERE id = :id"), {"id": wave.id})


def test_declined_there_are_no_more(session: Session, released: UUID, approver: Desk) -> None:
    crowd(session, 501)
    wave = found(session, released)
    assert wave is not None
    declined = approver.post(f"/api/v1/broadcasts/{released}/waves/2/decline")
    assert (declined.status_code, declined.json()["released_at"]) == (200, None)
    session.expire_all()
    assert sent_to(session, wave) == 0
    assert list_open_for_waves(session) == []


@pytest.mark.parametrize("end", ["cancelled", "over", "closed", "approved", "submitted"])
def test_what_is_over_gets_no_latecomers(session: Session, keyring: Keyring, released: UUID, incident_id: UUID, end: str) -> None:
    actor = make_actor(session, "duty_officer")
    people(session, keyring, 1)
    if end == "cancelled":
        cancel_broadcast(session, actor=actor, broadcast_id=released, reason="x")
    elif end == "over":
        session.execute(text("UPDATE broadcast SET approved_at = now() - interval '2 hours'"))
    elif end == "closed":
        close_incident(session, actor=actor, incident_id=incident_id, reason="selesai")
    else:
        session.execute(text(CORRECT), {"original": released, "state": end})
    assert list_open_for_waves(session) == []
    assert open_wave(session, released, configured=WAYS) is None
    assert session.execute(text("SELECT count(*) FROM audience WHERE wave > 1")).scalar_one() == 0


CORRECT = """
INSERT INTO broadcast (incident_id, status, msg_type, "references", state, texts, channels, validity_seconds, resend_unknown, content_hash,
    approved_by, approved_via, approved_at)
SELECT incident_id, status, 'Update', ARRAY[id], CAST(:state AS text), texts, channels, 60, 'never', 'x', gen_random_uuid(), 'session',
    CASE WHEN CAST(:state AS text) = 'approved' THEN now() END
FROM broadcast WHERE id = :original
"""


@pytest.mark.parametrize(("end", "code"), [("closed", "incident_closed"), ("submitted", "corrected"), ("approved", "corrected")])
def test_a_waiting_wave_is_not_approved_once_none_would_be_opened(
    session: Session, released: UUID, incident_id: UUID, approver: Desk, end: str, code: str
) -> None:
    crowd(session, 501)
    assert found(session, released) is not None
    if end == "closed":
        close_incident(session, actor=make_actor(session, "duty_officer"), incident_id=incident_id, reason="selesai")
    else:
        session.execute(text(CORRECT), {"original": released, "state": end})
    session.commit()
    refused = approver.post(f"/api/v1/broadcasts/{released}/waves/2/approve", {"count": 501})
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    paging = session.scalars(select(Paging).where(Paging.kind == "wave")).one()
    assert wave_still_waits(session, paging) is (end == "submitted"), "a correction that is refused must leave nobody unpaged"


def test_a_wave_that_was_found_is_not_released_after_a_cancel(session: Session, keyring: Keyring, released: UUID) -> None:
    people(session, keyring, 1)
    wave = found(session, released)
    assert wave is not None
    cancel_broadcast(session, actor=make_actor(session, "approver"), broadcast_id=released, reason="x")
    assert sent_to(session, wave) == 0


def test_two_searches_at_once_find_each_person_once(
    sessions: Sessions, keyring: Keyring, committed_client: Any, sign_in: Callable[..., Any]
) -> None:
    with begin(sessions) as session:
        incident = make_incident(session)
        make_citizen(session, keyring)
    broadcast = Desk(committed_client, sign_in("duty_officer")).submitted(incident.id)
    Desk(committed_client, sign_in("approver")).approve(broadcast)
    with begin(sessions) as session:
        release(session, UUID(broadcast["id"]), batch_size=500)
        for _ in range(5):
            make_citizen(session, keyring)
    start = threading.Barrier(4)

    def look() -> None:
        start.wait()
        with begin(sessions) as session:
            open_wave(session, UUID(broadcast["id"]), configured=WAYS)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with begin(sessions) as session:
        rows = session.execute(text("SELECT count(*), count(DISTINCT citizen_id) FROM audience_member WHERE wave > 1")).one()
    assert tuple(rows) == (5, 5)
