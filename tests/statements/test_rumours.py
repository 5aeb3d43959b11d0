"""Answers to rumours, by the API on Postgres: two people, no word changed between, one answer that stands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.db import Sessions
from alerts.kit.errors import ConflictError
from alerts.live.briefing.actions import publish_rumour
from alerts.statements.actions import draft_rumour
from alerts.statements.models import PublicPage
from alerts.statements.schemas import RumourIn
from tests.factories.incidents import OPENER, make_incident
from tests.factories.reports import new_key
from tests.factories.statements import RUMOUR, answer, public

SignIn = Callable[..., dict[str, str]]
OTHER = replace(OPENER, label="another")


def test_an_answer_is_published_by_another_than_its_writer(
    client: TestClient, session: Session, incident: Incident, sign_in: SignIn
) -> None:
    writer, minister = sign_in("public_information"), sign_in("minister")
    made = client.post(f"/api/v1/incidents/{incident.id}/rumours", json=RUMOUR, headers=writer | new_key())
    assert (made.status_code, made.json()["state"]) == (201, "draft"), made.text
    own = answer(client, made.json(), writer)
    assert (own.status_code, own.json()["code"]) == (409, "second_hand_needed")
    assert session.scalars(select(PublicPage)).all() == [], "a draft opens no page"
    with pytest.raises(DBAPIError, match="second_hand"), session.begin_nested():
        session.execute(text("UPDATE rumour SET state = 'published', published_by = drafted_by, published_at = now()"))
    with pytest.raises(DBAPIError, match="frozen"), session.begin_nested():
        session.execute(text("UPDATE rumour SET claim = '{}'"))
    assert answer(client, made.json(), sign_in("approver", via="token")).status_code == 403
    done = answer(client, made.json(), minister)
    assert (done.status_code, done.json()["state"]) == (200, "published"), done.text
    shown = public(client, session, incident, "?lang=id").text
    assert "TIDAK BENAR" in shown
    assert "&lt;b&gt;tewas" in shown
    for change in ("UPDATE rumour SET verdict = 'true'", "UPDATE rumour SET state = 'withdrawn'", "DELETE FROM rumour"):
        with pytest.raises(DBAPIError, match="frozen"), session.begin_nested():
            session.execute(text(change))


def test_what_we_call_true_is_held_to_the_rules_of_our_own_sentences(rumour: Callable[..., Response]) -> None:
    for verdict, claim, code in (
        ("true", {"id": "Budi meninggal dunia.", "en": "Budi has died."}, "death_not_bound"),
        ("true", {"id": "Semua WNI selamat.", "en": "All are safe."}, "all_safe"),
        ("true", {"id": "Ada 3 WNI luka.", "en": "There are 3 injured."}, "number_not_bound"),
        ("false", {"id": "Titik kumpul pindah ke taman.", "en": "It moved."}, "restricted"),
        ("false", {"id": "Pindah ke taman.", "en": "The assembly point moved."}, "restricted"),
    ):
        refused = rumour(verdict=verdict, claim=claim)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    refused = rumour(explanation={"id": "Semua WNI selamat.", "en": "All are safe."})
    assert (refused.status_code, refused.json()["code"]) == (422, "all_safe")


def test_a_rumour_is_answered_anew_once(
    client: TestClient, session: Session, incident: Incident, rumour: Callable[..., Response], sign_in: SignIn
) -> None:
    minister, first = sign_in("minister"), rumour().json()
    anew: dict[str, Any] = {"explanation": {"id": "Kini sudah jelas.", "en": "It is clear by now."}, "replaces": first["id"]}
    assert rumour(**anew).status_code == 422, "a draft stands nowhere: nothing replaces it"
    answer(client, first, minister)
    second, third = rumour(**anew).json(), rumour(**anew).json()
    assert "Hal itu tidak benar." in public(client, session, incident, "?lang=id").text, "a draft replaces nothing"
    assert answer(client, second, minister).status_code == 200
    shown = public(client, session, incident, "?lang=id").text
    assert "Kini sudah jelas." in shown
    assert "Hal itu tidak benar." not in shown
    late = answer(client, third, minister)
    assert (late.status_code, late.json()["code"]) == (409, "already_replaced")
    assert rumour(**anew).status_code == 409
    assert answer(client, third, minister, "withdraw").json()["state"] == "withdrawn"
    for row, act in ((third, "publish"), (second, "withdraw")):
        refused = answer(client, row, minister, act)
        assert (refused.status_code, refused.json()["code"]) == (409, "rumour_state")


def test_two_answers_that_replace_one_at_once_are_one_answer_and_one_conflict(sessions: Sessions) -> None:
    with sessions.begin() as session:
        incident = make_incident(session)
        command = RumourIn.model_validate(RUMOUR)
        first = draft_rumour(session, actor=OPENER, incident=incident, command=command)
        publish_rumour(session, actor=OTHER, rumour_id=first.id)
        anew = command.model_copy(update={"replaces": first.id})
        drafts = [draft_rumour(session, actor=OPENER, incident=incident, command=anew).id for _ in range(4)]
    barrier = Barrier(4)

    def go(rumour_id: UUID) -> str:
        barrier.wait()
        try:
            with sessions.begin() as session:
                publish_rumour(session, actor=OTHER, rumour_id=rumour_id)
        except ConflictError as error:
            return error.code
        return "published"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(go, drafts)) == ["already_replaced"] * 3 + ["published"]
