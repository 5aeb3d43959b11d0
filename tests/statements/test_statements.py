"""From the draft to the published statement, by the API on Postgres: who may, what is refused, what is frozen, what turns stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.outbox import OutboxEvent
from alerts.people.deaths.actions import confirm_death, tell_kin
from alerts.people.deaths.schemas import ConfirmationIn, KinToldIn
from tests.factories.incidents import OPENER, make_incident
from tests.factories.people import make_person, statement
from tests.factories.reports import line, new_key
from tests.factories.statements import OWN, body, public, publish, report

SignIn = Callable[..., dict[str, str]]


def test_a_hotline_is_typed_words_until_two_people_answered_for_it(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response], sign_in: SignIn
) -> None:
    writer, lines = draft.writer, [{"name": "KBRI Ankara", "number": "+90 532 135 2298"}]  # type: ignore[attr-defined]
    first = draft(hotlines=lines).json()
    assert publish(client, first["id"], writer).json()["code"] == "second_hand_needed"
    assert publish(client, first["id"], sign_in("minister")).status_code == 200
    assert "tel:+905321352298" in public(client, session, incident).text
    second = draft(hotlines=lines).json()
    assert publish(client, second["id"], writer).status_code == 200
    for other in ({"number": "+90 532 135 2299"}, {"name": "Budi Santoso"}):
        assert publish(client, draft(hotlines=[lines[0] | other]).json()["id"], writer).json()["code"] == "second_hand_needed"
    third = draft(hotlines=lines).json()
    for row in (first, second):
        client.post(f"/api/v1/public-statements/{row['id']}/withdraw", json={"reason": "by_mistake"}, headers=writer | new_key())
    late = publish(client, third["id"], writer)
    assert late.json()["code"] == "second_hand_needed", "what was approved no longer stands by then"


def test_every_figure_has_its_basis(draft: Callable[..., Response]) -> None:
    made = draft(own=[OWN]).json()
    figures = {figure["key"]: figure for figure in made["figures"]}
    assert set(figures) == {"registered", "own.injured"}
    assert figures["own.injured"]["value"] == {"id": "10", "en": "10"}
    assert len(figures["own.injured"]["basis"]) == 1
    assert "10 WNI didampingi KBRI." in made["texts"]["id"]
    assert len(made["copies"]["id"]["x"]) <= 280


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"own": [{"id": "Semua WNI selamat.", "en": "All are safe."}]}, "all_safe"),
        ({"own": [{"id": "Ada 12 WNI.", "en": "There are some."}]}, "number_not_bound"),
        ({"appeal": {"id": "Datang ke titik kumpul.", "en": "Come to us."}}, "restricted"),
        ({"own": [{"id": "{own.dead} WNI meninggal dunia.", "en": "{own.dead} dead."}]}, "figure_unknown"),
        ({"clauses": []}, "nothing_said"),
        ({"hotlines": [{"name": "Semua selamat", "number": "112"}]}, "all_safe"),
        ({"sheet_version": 999}, "version_not_found"),
    ],
)
def test_what_may_not_be_said_is_refused_with_its_reason(draft: Callable[..., Response], fields: dict[str, Any], code: str) -> None:
    answer = draft(**fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


def test_typed_words_need_a_second_hand_in_code_and_in_the_database(
    client: TestClient, session: Session, draft: Callable[..., Response], sign_in: SignIn
) -> None:
    made = draft(own=[OWN]).json()
    own = publish(client, made["id"], draft.writer)  # type: ignore[attr-defined]
    assert (own.status_code, own.json()["code"]) == (409, "second_hand_needed")
    with pytest.raises(DBAPIError, match="second_hand"), session.begin_nested():
        session.execute(text("UPDATE statement SET state='published', published_by=hands[1], published_at=now(), content_hash='x'"))
    assert publish(client, made["id"], sign_in("duty_officer")).status_code == 403
    assert publish(client, made["id"], sign_in("approver", via="token")).status_code == 403
    assert publish(client, made["id"], sign_in("minister")).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "clauses = '[]'",
        "figures = '[]'",
        "published_by = 'staff:x'",
        "content_hash = 'x'",
        "hotlines = '[1]'",
        "as_of = now()",
        "state = 'draft'",
        "published_at = NULL, published_by = NULL, content_hash = NULL, state = 'draft'",
    ],
)
def test_what_was_published_is_frozen(client: TestClient, session: Session, draft: Callable[..., Response], change: str) -> None:
    made = draft().json()
    publish(client, made["id"], draft.writer)  # type: ignore[attr-defined]
    for change_of in (f"UPDATE statement SET {change} WHERE id = :id", "DELETE FROM statement WHERE id = :id"):
        with pytest.raises(DBAPIError, match="frozen"), session.begin_nested():
            session.execute(text(change_of), {"id": made["id"]})


def test_a_changed_figure_flags_draft_and_published_and_stops_the_draft(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response]
) -> None:
    first, second = draft().json(), draft().json()
    publish(client, first["id"], draft.writer)  # type: ignore[attr-defined]
    report(session, incident, line("injured", 12))
    for made in (first, second):
        row = client.get(f"/api/v1/public-statements/{made['id']}", headers=draft.writer).json()  # type: ignore[attr-defined]
        assert row["is_stale"], row
        changed = {each["key"]: (each["before"]["id"], each["after"]["id"] if each["after"] else None) for each in row["stale_figures"]}
        assert changed["own.injured"][0] == "10"
    assert "10 WNI dilaporkan luka-luka." in public(client, session, incident).text, "what was published stays as it was"
    stale = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.name == "statement.stale")).all()
    assert {(each["statement_id"], each["is_published"]) for each in stale} == {(first["id"], True), (second["id"], False)}
    refused = publish(client, second["id"], draft.writer)  # type: ignore[attr-defined]
    assert (refused.status_code, refused.json()["code"]) == (409, "figures_changed")


def die(session: Session, person_id: UUID) -> None:
    """The death may be published: confirmed, and the family told."""
    now = {"as_of": "2026-01-01T00:00:00Z", "reason": "surat"}
    confirmation = {"basis": "dvi", "said_by": "DVI", "how": "surat"} | now
    confirm_death(session, actor=OPENER, person_id=person_id, command=ConfirmationIn.model_validate(confirmation))
    tell_kin(session, actor=OPENER, person_id=person_id, command=KinToldIn.model_validate({"said_by": "KBRI", "how": "didatangi"} | now))
    session.commit()


def test_the_ministers_sentence_says_what_was_published_and_as_long_as_it_stands(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, draft: Callable[..., Response], sign_in: SignIn
) -> None:
    minister = sign_in("minister")

    def sentence(**asked: str) -> str:
        said: str = client.get(f"/api/v1/incidents/{incident.id}/summary", params=asked, headers=minister).json()["sentence"]["id"]
        return said.partition(": ")[2]

    dead = statement("condition", "dead", said_by="DVI", source="host_state")
    die(session, make_person(session, keyring, incident, dead).id)
    before, known_before = sentence(), db_now(session).isoformat()
    assert "1 WNI telah dipastikan" not in before, "it may be published, and nobody has"
    made = draft(clauses=["as_of", "harm", "deaths"]).json()
    assert publish(client, made["id"], minister).status_code == 200
    die(session, make_person(session, keyring, incident, dead).id)
    told, known_then = sentence(), db_now(session).isoformat()
    assert "1 WNI telah dipastikan meninggal dunia" in told, "the second one is nobody's to read aloud yet"
    assert "diverifikasi" not in told
    path, reason = f"/api/v1/public-statements/{made['id']}/withdraw", {"reason": "by_mistake"}
    assert client.post(path, json=reason, headers=draft.writer | new_key()).status_code == 200  # type: ignore[attr-defined]
    assert sentence() == before
    assert (sentence(known_at=known_before), sentence(known_at=known_then)) == (before, told), "what was known then stays"


def test_after_a_published_death_no_sentence_speaks_as_if_there_were_none(
    client: TestClient, session: Session, keyring: Keyring, incident: Incident, draft: Callable[..., Response], sign_in: SignIn
) -> None:
    writer, said = draft.writer, statement("condition", "dead", said_by="DVI", source="host_state")  # type: ignore[attr-defined]
    die(session, make_person(session, keyring, incident, said).id)
    brief = client.get(f"/api/v1/incidents/{incident.id}/brief", headers=writer).json()
    assert "deaths" not in brief["chosen"], "the first time somebody chooses it"
    made = draft(clauses=["as_of", "harm", "deaths"]).json()
    assert "1 WNI telah dipastikan meninggal dunia" in made["texts"]["id"]
    assert "kemungkinan WNI terdampak" not in made["texts"]["id"]
    assert "WNI lainnya masih dikumpulkan" in made["texts"]["id"]
    assert publish(client, made["id"], sign_in("minister")).status_code == 200
    brief = client.get(f"/api/v1/incidents/{incident.id}/brief", headers=writer).json()
    assert "deaths" in brief["chosen"]
    for language, denied in (("id", "kemungkinan WNI terdampak"), ("en", "whether citizens are affected")):
        assert denied not in brief["text"][language]
        assert denied not in draft(clauses=["as_of", "harm"]).json()["texts"][language]


def test_a_clause_without_a_figure_that_says_otherwise_by_now_stops_the_draft(
    client: TestClient, session: Session, sign_in: SignIn
) -> None:
    quiet, writer = make_incident(session), sign_in("public_information")
    session.commit()
    made = client.post(f"/api/v1/incidents/{quiet.id}/statements", json={"clauses": ["harm"]}, headers=writer | new_key()).json()
    assert "masih dikumpulkan" in made["texts"]["id"]
    report(session, quiet, line("dead", 1))
    refused = publish(client, made["id"], writer)
    assert (refused.status_code, refused.json()["code"]) == (409, "figures_changed")


def test_what_was_looked_at_must_still_be_so(session: Session, incident: Incident, draft: Callable[..., Response]) -> None:
    seen = draft().json()["sheet_version"]
    assert draft(sheet_version=seen).status_code == 201
    report(session, incident, line("injured", 12))
    refused = draft(sheet_version=seen)
    assert refused.status_code == 409, refused.text
    assert refused.json()["code"] in ("figures_changed", "clause_gone")


def test_a_draft_is_edited_by_its_version_only(client: TestClient, draft: Callable[..., Response]) -> None:
    made = draft()
    path, headers = f"/api/v1/public-statements/{made.json()['id']}", draft.writer  # type: ignore[attr-defined]
    assert client.patch(path, json=body(), headers=headers).status_code == 428
    assert client.patch(path, json=body(), headers=headers | {"If-Match": '"x"'}).status_code == 412
    done = client.patch(path, json=body(own=[OWN]), headers=headers | {"If-Match": made.headers["etag"]})
    assert (done.status_code, done.json()["needs_second_hand"], done.json()["version"]) == (200, True, 2)
    publish(client, made.json()["id"], headers)
    assert client.patch(path, json=body(), headers=headers | {"If-Match": made.headers["etag"]}).status_code == 412
