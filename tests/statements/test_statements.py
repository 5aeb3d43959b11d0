"""From the draft to the public page, by the API on Postgres: who may, what is frozen, what turns stale, what the public sees."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from alerts.kit.errors import ConflictError
from alerts.kit.ids import alert_code
from alerts.kit.outbox import OutboxEvent
from alerts.live.actions import refresh
from alerts.live.briefing.actions import publish_rumour
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.statements.actions import draft_rumour
from alerts.statements.models import PublicPage
from alerts.statements.schemas import RumourIn
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import OPENER, make_incident
from tests.factories.reports import line, new_key, report_body

SignIn = Callable[..., dict[str, str]]
AUTOMATIC = ["as_of", "present", "voluntary", "injured", "appeal"]
OWN = {"id": "{own.injured} WNI didampingi KBRI.", "en": "The embassy is with {own.injured} of our citizens."}
OTHER = replace(OPENER, label="another")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def incident(session: Session) -> Incident:
    made = make_incident(session, title="Rahasia internal 7781")
    session.commit()
    report(session, made, line("injured", 10))
    return made


def report(session: Session, incident: Incident, *lines: dict[str, Any]) -> None:
    now = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    body = report_body(*lines, source="ministry", as_of=now.isoformat())
    file_report(session, actor=OPENER, incident_id=incident.id, command=ReportIn.model_validate(body))
    session.commit()
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()


def body(**fields: Any) -> dict[str, Any]:
    return {"clauses": AUTOMATIC} | fields


@pytest.fixture
def draft(client: TestClient, incident: Incident, sign_in: SignIn) -> Callable[..., Response]:
    """`draft(own=[…])`: by somebody of public information unless told otherwise."""
    writer = sign_in("public_information")

    def drafted(who: dict[str, str] | None = None, **fields: Any) -> Response:
        path = f"/api/v1/incidents/{incident.id}/statements"
        return client.post(path, json=body(**fields), headers=(who or writer) | new_key())

    drafted.writer = writer  # type: ignore[attr-defined]
    return drafted


def publish(client: TestClient, statement: str, who: dict[str, str]) -> Response:
    return client.post(f"/api/v1/public-statements/{statement}/publish", headers=who | new_key())


def public(client: TestClient, session: Session, incident: Incident, tail: str = "", **headers: str) -> Response:
    slug = session.scalars(select(PublicPage.slug).where(PublicPage.incident_id == incident.id)).one()
    return client.get(f"/public/incidents/{slug}{tail}", headers=headers)


def test_the_automatic_sentence_is_published_by_one_and_read_by_everybody(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response]
) -> None:
    made = draft()
    assert made.status_code == 201, made.text
    assert public(client, session, incident).status_code == 404, "a draft is nobody's to read"
    done = publish(client, made.json()["id"], draft.writer)  # type: ignore[attr-defined]
    assert (done.status_code, done.json()["state"]) == (200, "published"), done.text
    page = public(client, session, incident, **{"Accept-Language": "id"})
    assert page.status_code == 200
    assert "10 WNI dilaporkan luka-luka." in page.text
    assert page.headers["cache-control"] == "public, max-age=30"
    english = public(client, session, incident, "?lang=en")
    assert "10 Indonesian citizens are reported injured." in english.text
    again = public(client, session, incident, **{"Accept-Language": "id", "If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert english.headers["etag"] != page.headers["etag"]


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


def test_the_public_page_holds_nothing_of_staff_and_nothing_restricted(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response]
) -> None:
    publish(client, draft().json()["id"], draft.writer)  # type: ignore[attr-defined]
    for tail in ("", "?lang=en", "/feed.atom"):
        shown = public(client, session, incident, tail).text
        for secret in ("Rahasia", "7781", "staff:", str(incident.id), "Public Information", "report/", "basis"):
            assert secret not in shown, (tail, secret)


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
        "hotlines = '[]'",
        "as_of = now()",
        "state = 'draft'",
        "published_at = NULL, published_by = NULL, content_hash = NULL, state = 'draft'",
    ],
)
def test_what_was_published_is_frozen(client: TestClient, session: Session, draft: Callable[..., Response], change: str) -> None:
    made = draft().json()
    publish(client, made["id"], draft.writer)  # type: ignore[attr-defined]
    for statement in (f"UPDATE statement SET {change} WHERE id = :id", "DELETE FROM statement WHERE id = :id"):
        with pytest.raises(DBAPIError, match="frozen"), session.begin_nested():
            session.execute(text(statement), {"id": made["id"]})


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


def test_history_withdrawal_and_correction_stay_readable(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response]
) -> None:
    who = draft.writer  # type: ignore[attr-defined]
    first = draft().json()
    publish(client, first["id"], who)
    typed = client.post(
        f"/api/v1/public-statements/{first['id']}/withdraw", json={"reason": {"id": "Si Anu.", "en": "So-and-so."}}, headers=who | new_key()
    )
    assert typed.status_code == 422, "one person withdraws, so nobody types what the public reads"
    reason = {"reason": "figure_corrected"}
    gone = client.post(f"/api/v1/public-statements/{first['id']}/withdraw", json=reason, headers=who | new_key())
    assert (gone.status_code, gone.json()["state"]) == (200, "withdrawn")
    shown = public(client, session, incident, "?lang=id").text
    assert "Angka diperbaiki." in shown
    assert "10 WNI dilaporkan luka-luka." in shown
    report(session, incident, line("unaccounted", 3))
    second = draft(clauses=["as_of", "unreached"], corrects=first["id"]).json()
    publish(client, second["id"], who)
    shown = public(client, session, incident, "?lang=id").text
    assert shown.index("3 WNI belum dapat dihubungi.") < shown.index("Angka diperbaiki.")
    assert client.post(f"/api/v1/public-statements/{first['id']}/withdraw", json=reason, headers=who | new_key()).status_code == 409


RUMOUR = {
    "claim": {"id": "1.000 WNI <b>tewas</b>!", "en": "1,000 citizens dead!"},
    "verdict": "false",
    "explanation": {"id": "Hal itu tidak benar.", "en": "That is not so."},
}


@pytest.fixture
def rumour(client: TestClient, incident: Incident, sign_in: SignIn) -> Callable[..., Response]:
    """`rumour(verdict="true")`: written by a duty officer."""
    writer = sign_in("duty_officer")

    def written(**fields: Any) -> Response:
        return client.post(f"/api/v1/incidents/{incident.id}/rumours", json=RUMOUR | fields, headers=writer | new_key())

    return written


def answer(client: TestClient, rumour: dict[str, Any], who: dict[str, str], act: str = "publish") -> Response:
    return client.post(f"/api/v1/rumours/{rumour['id']}/{act}", headers=who | new_key())


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


def test_the_feed_is_atom_with_the_newest_first(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response]
) -> None:
    for _ in range(2):
        publish(client, draft().json()["id"], draft.writer)  # type: ignore[attr-defined]
    answer = public(client, session, incident, "/feed.atom?lang=id")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.content)
    times = [entry.findtext(f"{ATOM}published") for entry in feed.findall(f"{ATOM}entry")]
    assert times == sorted(times, reverse=True)
    assert len(times) == 2
    assert feed.findtext(f"{ATOM}updated") == times[0]
    assert public(client, session, incident, "/feed.atom?lang=id", **{"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_an_exercise_has_its_own_road(client: TestClient, session: Session, sign_in: SignIn) -> None:
    drill = make_incident(session, status="Exercise")
    session.commit()
    refresh(session, drill.id)
    session.commit()
    who = sign_in("public_information")
    made = client.post(f"/api/v1/incidents/{drill.id}/statements", json={"clauses": ["harm"]}, headers=who | new_key()).json()
    assert made["texts"]["id"].startswith("LATIHAN")
    publish(client, made["id"], who)
    slug = session.scalars(select(PublicPage.slug)).one()
    assert client.get(f"/public/incidents/{slug}").status_code == 404
    assert client.get(f"/public/incidents/{slug}/feed.atom").status_code == 404
    page = client.get(f"/exercise/public/incidents/{slug}?lang=id")
    assert page.status_code == 200
    assert '<body class="exercise">' in page.text


def test_a_code_confirms_a_message_of_ours_and_no_other(client: TestClient, session: Session, incident: Incident, keyring: Keyring) -> None:
    member = make_member(session, incident, make_citizen(session, keyring))
    session.execute(text("UPDATE broadcast SET released_at = now() WHERE id = :id"), {"id": member.broadcast_id})
    session.commit()
    code = alert_code(keyring.link, member.broadcast_id)
    yes = client.get(f"/public/a/{code.upper()}?lang=id")
    assert (yes.status_code, "Ya, pesan ini dari kami." in yes.text) == (200, True)
    for wrong in ("222222", "x", code + "2", "<script>", alert_code(keyring.link, uuid4())):
        no = client.get("/public/a", params={"code": wrong})
        assert no.status_code == 404, wrong
        assert "<script>" not in no.text
    assert client.get("/public/a").status_code == 200
    session.execute(text("UPDATE broadcast SET is_restricted = true WHERE id = :id"), {"id": member.broadcast_id})
    session.commit()
    quiet = client.get(f"/public/a/{code}?lang=id")
    assert "<blockquote" not in quiet.text
    assert "Ya, pesan ini dari kami." in quiet.text
