"""The first alert: one person, prepared words, a hold that a second can end either way."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import cancel_broadcast, claim_release
from alerts.broadcasts.first_alerts import confirm_first_alert, freeze_first_alert, release_all_due, release_due, release_first_alert
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.rules import first_promise
from alerts.broadcasts.schemas import Approval, FirstAlert
from alerts.broadcasts.template_rules import TemplateKind, template_hash
from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.actions import release
from alerts.deliveries.promises import keep_promise, list_due
from alerts.incidents.actions import close_incident
from alerts.incidents.queries import list_areas
from alerts.incidents.rules import Status
from alerts.kit.actor import Via
from alerts.kit.audit import list_actions
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError
from alerts.settings import Settings
from tests.broadcasts.conftest import people
from tests.broadcasts.test_routes import Desk
from tests.factories.citizens import make_citizen
from tests.factories.incidents import HATAY, TURKEY, make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor
from tests.factories.templates import make_template

ENDS = "UPDATE broadcast SET hold_until = clock_timestamp() - interval '1 second' WHERE state = 'held'"
SENT = "SELECT count(*) FROM outbox_event WHERE name = 'broadcast.approved'"


@pytest.fixture
def body(session: Session, keyring: Keyring, incident_id: UUID) -> dict[str, Any]:
    template = make_template(session)
    people(session, keyring, 3)
    [area] = list_areas(session, incident_id)
    return {"template_id": str(template.id), "area_id": str(area.id), "at": "2023-02-06T04:17:00+03:00"}


def pressed(desk: Desk, incident_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    answer = desk.post(f"/api/v1/incidents/{incident_id}/first-alerts", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def count(session: Session, query: str) -> int:
    return int(session.execute(text(query)).scalar_one())


def test_one_person_presses_and_nothing_leaves_before_the_hold_ends(
    session: Session, officer: Desk, incident_id: UUID, body: dict[str, Any]
) -> None:
    held = pressed(officer, incident_id, body)
    assert (held["state"], held["purpose"], held["audience_count"], held["approved_at"]) == ("held", "first_alert", 3, None)
    assert held["texts"]["id"] == "Gempa kuat di Turki pukul 04.17 (UTC+3). Jauhi gedung retak."
    assert 100 < held["hold_seconds_left"] <= 120
    assert held["template_written_by"] != held["template_approved_by"]
    assert release_due(session) == 0
    assert claim_release(session, UUID(held["id"])) is None
    assert count(session, SENT) == 0
    assert count(session, "SELECT count(*) FROM paging WHERE kind = 'hold' AND role = 'approver'") == 1
    session.execute(text(ENDS))
    assert release_due(session) == 1
    assert release_due(session) == 0
    assert count(session, SENT) == 1
    session.commit()
    assert officer.get(f"/api/v1/broadcasts/{held['id']}").json()["state"] == "approved"


def test_a_second_person_may_send_it_earlier_and_the_first_may_not(
    session: Session, officer: Desk, approver: Desk, incident_id: UUID, body: dict[str, Any]
) -> None:
    held = pressed(approver, incident_id, body)  # at night the one who is awake may be the approver
    path = f"/api/v1/broadcasts/{held['id']}/confirm"
    refused = approver.post(path, {"content_hash": held["content_hash"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_work")


def test_confirmed_it_goes_at_once(session: Session, officer: Desk, approver: Desk, incident_id: UUID, body: dict[str, Any]) -> None:
    held = pressed(officer, incident_id, body)
    path = f"/api/v1/broadcasts/{held['id']}/confirm"
    assert approver.post(path, {"content_hash": "0" * 64}).status_code == 409
    confirmed = approver.post(path, {"content_hash": held["content_hash"]})
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "approved")
    assert confirmed.json()["confirmed_by"] != confirmed.json()["approved_by"]
    assert approver.post(path, {"content_hash": held["content_hash"]}).status_code == 409
    assert release_due(session) == 0
    assert count(session, SENT) == 1


@pytest.mark.parametrize("role", ["duty_officer", "approver"])
def test_stopped_in_the_hold_nothing_is_ever_sent(
    session: Session, client: TestClient, sign_in: Callable[..., Any], officer: Desk, incident_id: UUID, body: dict[str, Any], role: str
) -> None:
    held = pressed(officer, incident_id, body)
    stopped = Desk(client, sign_in(role)).post(f"/api/v1/broadcasts/{held['id']}/cancel", {"reason": "Salah tekan"})
    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    session.execute(text("UPDATE broadcast SET hold_until = now() - interval '1 hour'"))
    assert release_due(session) == 0
    assert claim_release(session, UUID(held["id"])) is None
    assert count(session, SENT) == 0
    assert "broadcast.stopped_in_hold" in [row.action for row in list_actions(session, incident_id, true())]


def test_a_token_releases_no_first_alert(
    session: Session, client: TestClient, sign_in: Callable[..., Any], incident_id: UUID, body: dict[str, Any]
) -> None:
    refused = Desk(client, sign_in("duty_officer", via="token")).post(f"/api/v1/incidents/{incident_id}/first-alerts", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")


@pytest.mark.parametrize("state", ["waiting", "retired", "other_kind"])
def test_only_words_in_use_for_a_first_alert(session: Session, officer: Desk, incident_id: UUID, body: dict[str, Any], state: str) -> None:
    template = make_template(session, TemplateKind.CANCEL) if state == "other_kind" else make_template(session, is_in_use=False)
    if state == "retired":
        template.retired_at, template.retired_by = template.created_at, uuid.uuid4()
    session.commit()
    refused = officer.post(f"/api/v1/incidents/{incident_id}/first-alerts", body | {"template_id": str(template.id)})
    assert refused.status_code == 409


def test_nobody_there_and_a_foreign_area_are_refused(session: Session, officer: Desk, incident_id: UUID) -> None:
    template = make_template(session)
    other = make_incident(session, areas=[HATAY])
    [here], [there] = list_areas(session, incident_id), list_areas(session, other.id)
    session.commit()
    path = f"/api/v1/incidents/{incident_id}/first-alerts"
    empty = officer.post(path, {"template_id": str(template.id), "area_id": str(here.id)})
    assert (empty.status_code, empty.json()["code"]) == (409, "empty_audience")
    foreign = officer.post(path, {"template_id": str(template.id), "area_id": str(there.id)})
    assert (foreign.status_code, foreign.json()["field"]) == (422, "area_ids")
    assert count(session, "SELECT count(*) FROM broadcast") == 0


def test_it_goes_to_its_one_area_only(session: Session, keyring: Keyring, officer: Desk) -> None:
    template = make_template(session)
    incident = make_incident(session, areas=[HATAY, {"kind": "province", "code": "TR-34"}])
    people(session, keyring, 2, province_code="TR-31")
    people(session, keyring, 4, province_code="TR-34")
    area = next(each for each in list_areas(session, incident.id) if each.code == "TR-31")
    held = pressed(officer, incident.id, {"template_id": str(template.id), "area_id": str(area.id)})
    assert (held["audience_count"], held["area_ids"]) == (2, [str(area.id)])


def test_an_exercise_says_so(session: Session, keyring: Keyring, officer: Desk) -> None:
    template = make_template(session)
    incident = make_incident(session, status=Status.EXERCISE)
    people(session, keyring, 1)
    people(session, keyring, 1, is_tester=True)
    [area] = list_areas(session, incident.id)
    held = pressed(officer, incident.id, {"template_id": str(template.id), "area_id": str(area.id)})
    assert held["audience_count"] == 1
    assert all(words.startswith("LATIHAN: ") for words in held["texts"].values())
    session.execute(text(ENDS))
    assert release_due(session) == 1


def test_the_preview_shows_what_would_leave(officer: Desk, incident_id: UUID, body: dict[str, Any]) -> None:
    query = f"template_id={body['template_id']}&area_id={body['area_id']}&at=2023-02-06T04:17:00%2B03:00"
    shown = officer.get(f"/api/v1/incidents/{incident_id}/first-alert?{query}")
    assert shown.status_code == 200
    assert "Turki pukul 04.17 (UTC+3)" in next(each["body"] for each in shown.json() if each["language"] == "id")


def test_prepared_words_are_never_edited_or_submitted(officer: Desk, incident_id: UUID, body: dict[str, Any]) -> None:
    held = pressed(officer, incident_id, body)
    edited = officer.patch(f"/api/v1/broadcasts/{held['id']}", {"validity_seconds": 600}, **{"If-Match": held["etag"]})
    assert (edited.status_code, edited.json()["code"]) == (409, "prepared_words")
    assert officer.post(f"/api/v1/broadcasts/{held['id']}/submit").status_code == 409


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("approved_at = now(), state = 'approved'", "hold_was_kept"),
        ("template_id = NULL", "cannot approve it"),
        ("template_id = NULL, approved_by = NULL, approved_via = NULL, state = 'draft'", "first_alert_is_prepared"),
        ("template_approved_by = template_written_by", "prepared_by_two"),
        ("template_approved_by = gen_random_uuid(), approved_via = 'session', state = state", "very words"),
        ("texts = jsonb_set(texts, '{id}', '\"Ungsi sekarang\"')", "very words"),
        ("template_places = jsonb_set(template_places, '{id,place}', '\"Ankara\"')", "very words"),
        ("approved_via = 'token'", "approved_by_person"),
        ("purpose = 'alert', state = 'approved', approved_at = now()", "very words"),
        ("confirmed_by = approved_by, confirmed_at = now()", "confirmed_by_another"),
    ],
)
def test_the_database_itself_refuses(
    session: Session, officer: Desk, incident_id: UUID, body: dict[str, Any], change: str, why: str
) -> None:
    pressed(officer, incident_id, body)
    with pytest.raises(IntegrityError, match=why), session.begin_nested():
        session.execute(text(f"UPDATE broadcast SET {change}"))


def test_a_large_area_is_frozen_by_a_worker_while_the_hold_runs(
    session: Session, officer: Desk, incident_id: UUID, body: dict[str, Any], settings: Settings
) -> None:
    actor, command = make_actor(session, "duty_officer"), FirstAlert.model_validate(body)
    broadcast = release_first_alert(session, actor=actor, incident_id=incident_id, command=command, settings=settings, freeze_at_once_max=2)
    assert (broadcast.state, broadcast.hold_until is not None) == ("freezing", True)
    [payload] = session.scalars(text("SELECT payload FROM outbox_event WHERE name = 'broadcast.first_freeze_asked'"))
    asked = {"broadcast_id": broadcast.id, "audience_id": payload["audience_id"], "configured": SenderSets.of(settings)}
    assert release_due(session) == 0
    assert freeze_first_alert(session, **asked) is True
    assert freeze_first_alert(session, **asked) is False
    assert broadcast.state == "held"
    cancel_broadcast(session, actor=actor, broadcast_id=broadcast.id, reason="salah")
    assert freeze_first_alert(session, **asked) is False


def test_in_a_quiet_incident_nobody_is_called_and_nothing_is_resent(
    session: Session, keyring: Keyring, officer: Desk, settings: Settings
) -> None:
    template = make_template(session)
    incident = make_incident(session, is_quiet=True, quiet_reason="penyanderaan")
    people(session, keyring, 1)
    [area] = list_areas(session, incident.id)
    held = pressed(officer, incident.id, {"template_id": str(template.id), "area_id": str(area.id)})
    assert (held["resend_unknown"], held["is_restricted"]) == ("never", True)
    listed = officer.get(f"/api/v1/incidents/{incident.id}/broadcasts").json()["items"]
    assert (listed[0]["texts"], listed[0]["variants"]) == ({}, [])
    assert "Gempa uji" not in str(session.execute(text("SELECT texts FROM paging")).scalar_one())


@pytest.mark.parametrize("rival", ["cancel", "confirm"])
def test_twenty_races_at_the_end_of_a_hold_have_one_winner_each(
    sessions: Sessions, keyring: Keyring, committed_settings: Settings, rival: str
) -> None:
    """Whoever locks the row first wins; a cancelled message has nothing to be sent, and a sent one was not cancelled in its hold."""
    with begin(sessions) as session:
        incident, template = make_incident(session), make_template(session)
        make_citizen(session, keyring)
        [area] = list_areas(session, incident.id)
        officer, other = make_actor(session, "duty_officer"), make_actor(session, "approver")
    command = FirstAlert(template_id=template.id, area_id=area.id)
    for _ in range(20):
        with begin(sessions) as session:
            held = release_first_alert(session, actor=officer, incident_id=incident.id, command=command, settings=committed_settings)
            session.flush()
            session.execute(text(ENDS))
        start = threading.Barrier(3)

        def clock(start: threading.Barrier = start) -> None:
            start.wait()
            with begin(sessions) as session:
                release_due(session)

        def person(start: threading.Barrier = start, held: Broadcast = held) -> None:
            start.wait()
            try:
                with begin(sessions) as session:
                    if rival == "cancel":
                        cancel_broadcast(session, actor=other, broadcast_id=held.id, reason="berhenti")
                    else:
                        approval = Approval(content_hash=held.content_hash or "")
                        confirm_first_alert(session, actor=other, broadcast_id=held.id, command=approval)
            except ConflictError:
                assert rival == "confirm"  # the hold had ended already

        threads = [threading.Thread(target=work) for work in (clock, clock, person)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with begin(sessions) as session:
            row = session.get_one(Broadcast, held.id)
            told = session.execute(
                text("SELECT count(*) FROM outbox_event WHERE name = 'broadcast.approved' AND payload ->> 'broadcast_id' = :id"),
                {"id": str(held.id)},
            ).scalar_one()
            if row.state == "cancelled":
                assert (row.approved_at is None) == (told == 0)
                assert claim_release(session, held.id) is None
            else:
                assert (row.state, told) == ("approved", 1)


def test_each_hold_ends_in_its_own_transaction(sessions: Sessions, keyring: Keyring, committed_settings: Settings) -> None:
    with begin(sessions) as session:
        incident, template = make_incident(session), make_template(session)
        make_citizen(session, keyring)
        [area] = list_areas(session, incident.id)
        officer, command = make_actor(session, "duty_officer"), FirstAlert(template_id=template.id, area_id=area.id)
        for _ in range(3):
            release_first_alert(session, actor=officer, incident_id=incident.id, command=command, settings=committed_settings)
        session.flush()
        session.execute(text(ENDS))
    assert release_all_due(sessions) == 3
    with begin(sessions) as session:
        assert session.execute(text("SELECT count(DISTINCT CAST(xmin AS text)) FROM broadcast WHERE state = 'approved'")).scalar_one() == 3


def test_nothing_leaves_for_an_incident_that_was_closed_in_the_hold(
    session: Session, officer: Desk, approver: Desk, incident_id: UUID, body: dict[str, Any]
) -> None:
    held = pressed(officer, incident_id, body)
    close_incident(session, actor=make_actor(session, "duty_officer"), incident_id=incident_id, reason="alarm palsu")
    session.commit()
    refused = approver.post(f"/api/v1/broadcasts/{held['id']}/confirm", {"content_hash": held["content_hash"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "incident_closed")
    session.execute(text(ENDS))
    assert release_due(session) == 0
    assert session.execute(text("SELECT state FROM broadcast")).scalar_one() == "cancelled"
    assert count(session, SENT) == 0


def test_a_token_confirms_nothing(session: Session, incident_id: UUID, body: dict[str, Any], settings: Settings) -> None:
    officer, token = make_actor(session, "duty_officer"), make_actor(session, "approver", via=Via.TOKEN)
    command = FirstAlert.model_validate(body)
    held = release_first_alert(session, actor=officer, incident_id=incident_id, command=command, settings=settings)
    with pytest.raises(ForbiddenError):
        confirm_first_alert(session, actor=token, broadcast_id=held.id, command=Approval(content_hash=held.content_hash or ""))


def test_turkey_is_named_in_the_readers_language(session: Session, officer: Desk, keyring: Keyring) -> None:
    template = make_template(session)
    incident = make_incident(session, areas=[TURKEY])
    people(session, keyring, 1)
    [area] = list_areas(session, incident.id)
    held = pressed(officer, incident.id, {"template_id": str(template.id), "area_id": str(area.id)})
    assert "di Turki pukul" in held["texts"]["id"]
    assert "di Turki" not in held["texts"]["en"]


def with_rhythm(session: Session, body: dict[str, Any], every: int = 60) -> dict[str, Any]:
    template = make_template(session, next_message_every_minutes=every)
    session.commit()
    return body | {"template_id": str(template.id)}


def test_its_words_promise_the_next_message_and_the_word_goes_by_itself(
    session: Session, officer: Desk, incident_id: UUID, body: dict[str, Any]
) -> None:
    held = pressed(officer, incident_id, with_rhythm(session, body))
    promised, until = datetime.fromisoformat(held["next_message_at"]), datetime.fromisoformat(held["hold_until"])
    assert timedelta(minutes=60) <= promised - until < timedelta(minutes=61)
    assert (promised.second, promised.utcoffset(), held["next_message_every_minutes"]) == (0, timedelta(hours=3), 60)
    assert held["validity_seconds"] > 7200, "it holds longer than what it promises"
    spoken = [each["body"] for each in held["variants"] if each["language"] == "id"]
    assert all(f"Kabar berikutnya pukul {promised:%H.%M} (UTC+3)." in each for each in spoken)
    session.execute(text(ENDS))
    assert release_due(session) == 1
    release(session, UUID(held["id"]), batch_size=500)
    session.execute(text("UPDATE broadcast SET next_message_at = clock_timestamp() - interval '1 second'"))
    assert [keep_promise(session, each, configured=senders()) for each in list_due(session)] == [True]
    said = session.execute(text("SELECT state, texts ->> 'id' FROM broadcast WHERE purpose = 'still_valid'")).one()
    assert tuple(said) == ("approved", held["still_valid_texts"]["id"])


def test_a_quiet_incident_promises_nothing(session: Session, officer: Desk, incident_id: UUID, body: dict[str, Any]) -> None:
    session.execute(text("UPDATE incident SET is_quiet = true"))
    held = pressed(officer, incident_id, with_rhythm(session, body))
    assert (held["next_message_at"], held["next_message_every_minutes"], held["still_valid_texts"]) == (None, None, None)


def test_a_rhythm_is_approved_with_the_words_and_never_changes(session: Session) -> None:
    template = make_template(session, next_message_every_minutes=60)
    without = template_hash(code=template.code, version=1, kind=template.kind, texts=template.texts)
    assert template.content_hash != without
    with pytest.raises(IntegrityError, match="append-only"), session.begin_nested():
        session.execute(text("UPDATE message_template SET next_message_every_minutes = 5"))
    with pytest.raises(InvalidError, match="Only a first alert"):
        make_template(session, TemplateKind.UPDATE, next_message_every_minutes=60)


@given(st.integers(5, 600), st.datetimes(max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_a_promise_is_a_whole_minute_and_never_early(every: int, after: datetime) -> None:
    promised = first_promise(every, after=after)
    assert (promised.second, promised.microsecond) == (0, 0)
    assert timedelta(0) <= promised - after - timedelta(minutes=every) < timedelta(minutes=1)
