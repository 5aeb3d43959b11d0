"""From draft to approval over HTTP: who may, what is frozen, what voids it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.broadcasts.actions import draft_broadcast, freeze_submission, return_submission, submit_broadcast
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.schemas import BroadcastDraft
from alerts.kit.audit import list_actions
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions, begin
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.senders import senders
from tests.factories.staff import make_actor

SignIn = Callable[..., dict[str, str]]
TEXTS = {"id": "Gempa kuat. Jauhi gedung retak.", "en": "Strong earthquake. Keep away from cracked buildings."}


class Desk:
    """One signed-in person and the requests they make."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.post(path, json=body, headers=self._headers | {"Idempotency-Key": uuid.uuid4().hex} | headers)

    def get(self, path: str) -> Any:
        return self._client.get(path, headers=self._headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self._client.patch(path, json=body, headers=self._headers | headers)

    def submitted(self, incident_id: Any, **draft: Any) -> dict[str, Any]:
        made = self.post(f"/api/v1/incidents/{incident_id}/broadcasts", {"texts": TEXTS, **draft})
        assert made.status_code == 201, made.text
        answer = self.post(f"/api/v1/broadcasts/{made.json()['id']}/submit")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def approve(self, broadcast: dict[str, Any], **changes: Any) -> Any:
        body = {"content_hash": broadcast["content_hash"], **changes}
        return self.post(f"/api/v1/broadcasts/{broadcast['id']}/approve", body)


@pytest.fixture
def officer(client: TestClient, sign_in: SignIn) -> Desk:
    return Desk(client, sign_in("duty_officer"))


@pytest.fixture
def approver(client: TestClient, sign_in: SignIn) -> Desk:
    return Desk(client, sign_in("approver"))


@pytest.fixture
def incident_id(session: Session) -> uuid.UUID:
    incident = make_incident(session)
    session.commit()
    return incident.id


def people(session: Session, keyring: Keyring, count: int, **fields: Any) -> None:
    for _ in range(count):
        make_citizen(session, keyring, **fields)
    session.commit()


def test_the_list_is_frozen_at_submission_and_later_people_are_counted(
    session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 3)
    broadcast = officer.submitted(incident_id)
    assert (broadcast["state"], broadcast["audience_count"], broadcast["audience_number"]) == ("submitted", 3, 1)
    people(session, keyring, 2)
    now = officer.get(f"/api/v1/broadcasts/{broadcast['id']}").json()
    assert (now["audience_count"], now["audience_more_since"], now["content_hash"]) == (3, 2, broadcast["content_hash"])
    anew = officer.post(f"/api/v1/broadcasts/{broadcast['id']}/submit").json()
    assert (anew["audience_count"], anew["audience_number"]) == (5, 2)
    assert anew["content_hash"] != broadcast["content_hash"]


def test_who_wrote_edited_or_submitted_cannot_approve_and_the_attempt_is_logged(
    session: Session, keyring: Keyring, client: TestClient, sign_in: SignIn, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 1)
    both = Desk(client, sign_in("approver"))
    # An approver may not write; so the author is a duty officer who was made an approver afterwards.
    author_headers = sign_in("duty_officer", display_name="Penulis")
    author = Desk(client, author_headers)
    broadcast = author.submitted(incident_id)
    session.execute(text("UPDATE staff SET role = 'approver' WHERE display_name = 'Penulis'"))
    session.commit()
    refused = author.approve(broadcast)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_work")
    assert "broadcast.decision_refused" in [row.action for row in list_actions(session, incident_id, true())]
    assert both.approve(broadcast).status_code == 200


def test_the_database_itself_refuses_an_approval_by_the_author(
    session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 1)
    broadcast = officer.submitted(incident_id)
    row = session.execute(select(Broadcast).where(Broadcast.id == uuid.UUID(broadcast["id"]))).scalar_one()
    with pytest.raises(IntegrityError, match="cannot approve it"), session.begin_nested():
        session.execute(
            text(
                "UPDATE broadcast SET state = 'approved', approved_by = :who, approved_via = 'session', approved_at = now() WHERE id = :id"
            ),
            {"who": row.created_by, "id": row.id},
        )


def test_a_token_cannot_approve(
    session: Session, keyring: Keyring, client: TestClient, sign_in: SignIn, officer: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 1)
    refused = Desk(client, sign_in("approver", via="token")).approve(officer.submitted(incident_id))
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")


def test_an_edit_voids_a_submission_and_an_approval(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 1)
    broadcast = officer.submitted(incident_id)
    path = f"/api/v1/broadcasts/{broadcast['id']}"
    edited = officer.patch(path, {"validity_seconds": 600}, **{"If-Match": broadcast["etag"]})
    assert (edited.status_code, edited.json()["state"], edited.json()["content_hash"]) == (200, "draft", None)
    assert approver.approve(broadcast).status_code == 409
    again = officer.post(f"{path}/submit").json()
    approved = approver.approve(again)
    assert approved.status_code == 200
    voided = officer.patch(path, {"channels": ["sms"]}, **{"If-Match": approved.json()["etag"]})
    assert (voided.json()["state"], voided.json()["approved_by"]) == ("draft", None)


def test_a_stale_or_missing_version_is_refused(session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID) -> None:
    broadcast = officer.submitted(incident_id)
    path = f"/api/v1/broadcasts/{broadcast['id']}"
    assert officer.patch(path, {"validity_seconds": 600}).status_code == 428
    stale = officer.patch(path, {"validity_seconds": 600}, **{"If-Match": '"old"'})
    assert (stale.status_code, stale.json()["current"]["id"]) == (412, broadcast["id"])


def test_an_empty_list_cannot_be_approved(officer: Desk, approver: Desk, incident_id: uuid.UUID) -> None:
    refused = approver.approve(officer.submitted(incident_id))
    assert (refused.status_code, refused.json()["code"]) == (409, "empty_audience")


def test_a_link_or_number_to_an_emirates_number_is_refused_with_the_reason(
    session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 1, phones=("+971501234567",))
    for body, code in (("Lihat kemlu.go.id", "text_url_barred"), ("Telepon +62 812 3456 7890", "text_phone_barred")):
        made = officer.post(f"/api/v1/incidents/{incident_id}/broadcasts", {"texts": {"id": body, "en": "Stay."}}).json()
        refused = officer.post(f"/api/v1/broadcasts/{made['id']}/submit")
        assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (422, code, "texts.id")
        assert set(refused.json()["message"]) == {"id", "en"}
        assert officer.get(f"/api/v1/broadcasts/{made['id']}").json()["state"] == "draft"


def test_each_person_has_one_first_way_and_the_reason_where_there_is_none(
    session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID
) -> None:
    make_citizen(session, keyring, device="token-1")
    make_citizen(session, keyring, phones=("+905321234567",))
    make_citizen(session, keyring, phones=("+963944123456",))
    make_citizen(session, keyring, phones=("12345",))
    make_citizen(session, keyring, phones=("+963944123457", "+6281234567890"))
    make_citizen(session, keyring, phones=("+6281234567890",))
    session.execute(text("UPDATE citizen SET opted_out_at = now() WHERE id = :id"), {"id": make_citizen(session, keyring).id})
    session.commit()
    preview = officer.get(f"/api/v1/incidents/{incident_id}/audience").json()
    assert preview["people"] == 7
    assert preview["by_channel"] == {"push": 1, "sms": 2, "none": 3}
    assert preview["unreachable"] == {"no_provider": 1, "no_address": 1, "opted_out": 1}
    assert preview["sharing_address"] == 1
    broadcast = officer.submitted(incident_id)
    assert (broadcast["audience_count"], broadcast["sharing_address"]) == (6, 1)


def test_a_frozen_member_cannot_be_changed_or_removed(session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID) -> None:
    people(session, keyring, 1)
    officer.submitted(incident_id)
    for statement in ("UPDATE audience_member SET language = 'en'", "DELETE FROM audience_member"):
        with pytest.raises(IntegrityError, match="append-only"), session.begin_nested():
            session.execute(text(statement))
    session.execute(text("UPDATE audience_member SET link_generation = link_generation + 1"))


def test_fifty_approvals_at_once_release_once(sessions: Sessions, keyring: Keyring, committed_client: TestClient, sign_in: SignIn) -> None:
    with begin(sessions) as session:
        incident = make_incident(session)
        make_citizen(session, keyring)
    broadcast = Desk(committed_client, sign_in("duty_officer")).submitted(incident.id)
    approver = Desk(committed_client, sign_in("approver"))
    with ThreadPoolExecutor(10) as pool:
        codes = sorted(answer.status_code for answer in pool.map(lambda _: approver.approve(broadcast), range(50)))
    assert codes == [200] + [409] * 49
    with begin(sessions) as session:
        assert session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'broadcast.approved'")).scalar_one() == 1


def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(officer: Desk, incident_id: uuid.UUID) -> None:
    path, key = f"/api/v1/incidents/{incident_id}/broadcasts", {"Idempotency-Key": "satu"}
    first, second = (officer.post(path, {"texts": TEXTS}, **key) for _ in range(2))
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    assert second.headers["Idempotency-Replayed"] == "true"
    assert officer.post(path, {"texts": {**TEXTS, "en": "Other."}}, **key).status_code == 422
    missing = officer._client.post(path, json={"texts": TEXTS}, headers=officer._headers)
    assert (missing.status_code, missing.json()["field"]) == (400, "header.Idempotency-Key")


def test_a_refusal_is_kept_under_its_key(officer: Desk, incident_id: uuid.UUID) -> None:
    bad = {"texts": {"id": "LATIHAN", "en": "x"}}
    path, key = f"/api/v1/incidents/{incident_id}/broadcasts", {"Idempotency-Key": "dua"}
    first, second = (officer.post(path, bad, **key) for _ in range(2))
    assert (first.status_code, second.status_code) == (422, 422)
    assert second.headers["Idempotency-Replayed"] == "true"


def test_a_cancelled_or_closed_message_is_not_approved(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 1)
    broadcast = officer.submitted(incident_id)
    assert officer.post(f"/api/v1/broadcasts/{broadcast['id']}/cancel", {"reason": "salah"}).status_code == 200
    assert approver.approve(broadcast).status_code == 409


def test_texts_are_measured_with_a_link_of_the_real_length(officer: Desk, incident_id: uuid.UUID) -> None:
    made = officer.post(f"/api/v1/incidents/{incident_id}/broadcasts", {"texts": TEXTS}).json()
    sizes = {(v["language"], v["variant"]): v for v in made["variants"]}
    code = " Kode abc234"
    assert sizes["id", "plain"]["units"] == len(TEXTS["id"]) + len(code)
    assert sizes["id", "link"]["units"] == len(TEXTS["id"]) + len(code) + 1 + len("http://testserver/i/") + 8 + 1 + 22


@pytest.mark.parametrize(
    "body",
    [{}, {"texts": {"id": "a"}}, {"texts": TEXTS, "extra": 1}, {"texts": {"id": "a\x00", "en": "b"}}, {"texts": TEXTS, "channels": []}],
)
def test_bad_input_names_the_field(officer: Desk, incident_id: uuid.UUID, body: dict[str, Any]) -> None:
    refused = officer.post(f"/api/v1/incidents/{incident_id}/broadcasts", body)
    assert refused.status_code == 422
    assert refused.json()["field"]
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_large_list_is_frozen_by_a_worker_and_says_how_far_it_is(
    session: Session, keyring: Keyring, officer: Desk, approver: Desk, incident_id: uuid.UUID, sign_in: SignIn
) -> None:
    people(session, keyring, 3)
    author = make_actor(session, "duty_officer")
    command = BroadcastDraft.model_validate({"texts": TEXTS})
    broadcast = draft_broadcast(session, actor=author, incident_id=incident_id, command=command)
    both = senders()
    submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=both, freeze_at_once_max=2)
    session.commit()
    waiting = officer.get(f"/api/v1/broadcasts/{broadcast.id}").json()
    assert (waiting["state"], waiting["audience_count"], waiting["audience_expected"]) == ("freezing", None, 3)
    assert approver.approve(waiting | {"content_hash": "0" * 64}).status_code == 409
    [payload] = session.scalars(text("SELECT payload FROM outbox_event WHERE name = 'broadcast.freeze_asked'"))
    asked = {"broadcast_id": broadcast.id, "audience_id": payload["audience_id"], "configured": both}
    assert freeze_submission(session, actor=author, **asked) is True
    assert freeze_submission(session, actor=author, **asked) is False
    session.commit()
    frozen = officer.get(f"/api/v1/broadcasts/{broadcast.id}").json()
    assert (frozen["state"], frozen["audience_count"]) == ("submitted", 3)


def test_a_large_list_that_cannot_be_frozen_goes_back_with_the_reason(
    session: Session, keyring: Keyring, officer: Desk, incident_id: uuid.UUID
) -> None:
    people(session, keyring, 3)
    author = make_actor(session, "duty_officer")
    command = BroadcastDraft.model_validate({"texts": TEXTS})
    broadcast = draft_broadcast(session, actor=author, incident_id=incident_id, command=command)
    submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=senders("sms"), freeze_at_once_max=2)
    asked = {"broadcast_id": broadcast.id, "audience_id": broadcast.audience_id}
    return_submission(session, actor=author, reason="a link is barred there", **asked)
    session.commit()
    returned = officer.get(f"/api/v1/broadcasts/{broadcast.id}").json()
    assert (returned["state"], returned["decision_reason"], returned["content_hash"]) == ("draft", "a link is barred there", None)
    assert freeze_submission(session, actor=author, configured=senders("sms"), **asked) is False
