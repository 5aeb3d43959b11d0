"""What everybody sees, by the API on Postgres: what was published and nothing else, the feed, the code of a message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast, BroadcastText
from alerts.broadcasts.rules import Purpose, State, Variant
from alerts.incidents.models import Incident
from alerts.kit.crypto import Keyring
from alerts.kit.ids import read_alert_code
from alerts.live.actions import refresh
from alerts.statements.actions import draft_rumour
from alerts.statements.models import PublicPage
from alerts.statements.queries import alert_query
from alerts.statements.rules import Verdict
from alerts.statements.schemas import Both, RumourIn
from tests.factories.checkins import make_citizen, make_member
from tests.factories.incidents import OPENER, make_incident
from tests.factories.reports import line, new_key
from tests.factories.statements import RUMOUR, answer, public, publish, report

SignIn = Callable[..., dict[str, str]]
ATOM = "{http://www.w3.org/2005/Atom}"


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


def test_the_public_page_holds_nothing_of_staff_and_nothing_restricted(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response]
) -> None:
    publish(client, draft().json()["id"], draft.writer)  # type: ignore[attr-defined]
    for tail in ("", "?lang=en", "/feed.atom"):
        shown = public(client, session, incident, tail).text
        for secret in ("Rahasia", "7781", "staff:", str(incident.id), "Public Information", "report/", "basis"):
            assert secret not in shown, (tail, secret)


def test_a_draft_changes_nothing_of_what_stands_in_public(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response], sign_in: SignIn
) -> None:
    publish(client, draft().json()["id"], draft.writer)  # type: ignore[attr-defined]
    before = {tail: public(client, session, incident, tail) for tail in ("?lang=id", "/feed.atom?lang=id")}
    session.execute(text("UPDATE incident SET kind = 'tsunami' WHERE id = :id"), {"id": incident.id})
    session.commit()
    session.refresh(incident)
    refresh(session, incident.id, no_more_often=timedelta(0))
    session.commit()
    newer = draft().json()
    for tail, old in before.items():
        now = public(client, session, incident, tail)
        assert (now.text, now.headers["etag"]) == (old.text, old.headers["etag"])
    publish(client, newer["id"], draft.writer)  # type: ignore[attr-defined]
    for tail, old in before.items():
        now = public(client, session, incident, tail, **{"If-None-Match": old.headers["etag"]})
        assert now.status_code == 200
        assert newer["heading"]["id"] in now.text


def test_the_tag_is_over_the_bytes(
    client: TestClient, session: Session, incident: Incident, draft: Callable[..., Response], sign_in: SignIn
) -> None:
    publish(client, draft().json()["id"], draft.writer)  # type: ignore[attr-defined]
    before = public(client, session, incident, "?lang=id")
    session.execute(text('UPDATE public_page SET heading = heading || \'{"id": "Lain"}\''))
    assert public(client, session, incident, "?lang=id").text == before.text, "the statement has a heading of its own"
    rumour = client.post(f"/api/v1/incidents/{incident.id}/rumours", json=RUMOUR, headers=sign_in("duty_officer") | new_key()).json()
    tags = {before.headers["etag"]}
    answer(client, rumour, sign_in("minister"))
    tags.add(public(client, session, incident, "?lang=id").headers["etag"])
    shown = public(client, session, incident, "?lang=en")
    assert shown.headers["etag"] not in tags
    assert len(tags) == 2


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


HIDDEN = {"turned round": "\u202e", "no width": "\u200b", "backspace": "\b", "escape": "\x1b", "no character": "\uffff"}


@pytest.mark.parametrize("sign", HIDDEN.values(), ids=HIDDEN)
def test_no_hidden_sign_gets_into_the_public_words(
    client: TestClient,
    session: Session,
    incident: Incident,
    draft: Callable[..., Response],
    rumour: Callable[..., Response],
    sign_in: SignIn,
    sign: str,
) -> None:
    """One turns round all that stands after it, hotlines too, and hides a word from the rules; another breaks the feed for good."""
    words = {"id": f"Mohon{sign} tenang.", "en": f"Stay{sign} calm."}
    made = draft(own=[words], hotlines=[{"name": f"KBRI{sign}", "number": "+90 312 000"}])
    assert made.status_code == 201, made.text
    assert publish(client, made.json()["id"], sign_in("minister")).status_code == 200
    assert answer(client, rumour(claim=words, explanation=words).json(), sign_in("minister")).status_code == 200
    for language in ("id", "en"):
        assert sign not in public(client, session, incident, f"?lang={language}").text
        feed = public(client, session, incident, f"/feed.atom?lang={language}")
        assert sign not in feed.text
        assert len(ET.fromstring(feed.content).findall(f"{ATOM}entry")) == 2
    refused = draft(own=[{"id": f"se{sign}mua WNI selamat.", "en": "They are well."}])
    assert (refused.status_code, refused.json()["code"]) == (422, "all_safe")


def test_a_feed_stays_readable_whatever_was_published_before(
    client: TestClient, session: Session, incident: Incident, sign_in: SignIn
) -> None:
    """What was published cannot be changed, so that it is the feed that leaves out what XML cannot hold."""
    command = RumourIn.model_construct(
        claim=Both.model_construct(id="Kabar\b.", en="News\b."),
        explanation=Both.model_construct(id="Itu\x1b salah.", en="No\uffff."),
        verdict=Verdict.FALSE,
        replaces=None,
    )
    row = draft_rumour(session, actor=OPENER, incident=incident, command=command)
    session.commit()
    assert answer(client, {"id": str(row.id)}, sign_in("minister")).status_code == 200
    assert "Itu salah." in ET.fromstring(public(client, session, incident, "/feed.atom?lang=id").content).findtext(f".//{ATOM}content", "")


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


def test_whoever_asks_for_a_code_reads_one_row_whatever_else_was_sent(session: Session, incident: Incident, keyring: Keyring) -> None:
    member = make_member(session, incident, make_citizen(session, keyring))
    codes = session.scalars(text("SELECT new_alert_code() FROM generate_series(1, 3000)")).all()
    assert len(set(codes)) > 2990
    assert {read_alert_code(code) for code in codes} == set(codes)
    session.execute(text("UPDATE broadcast SET released_at = now() WHERE id = :id"), {"id": member.broadcast_id})
    session.execute(text("SET LOCAL enable_seqscan = off"))
    asked = alert_query(codes[0]).compile(session.connection(), compile_kwargs={"literal_binds": True})
    plan = "\n".join(session.scalars(text(f"EXPLAIN {asked}")))
    assert "ix_broadcast_alert_code" in plan, plan


def test_a_code_confirms_a_message_of_ours_and_no_other(client: TestClient, session: Session, incident: Incident, keyring: Keyring) -> None:
    member = make_member(session, incident, make_citizen(session, keyring))
    session.execute(text("UPDATE broadcast SET released_at = now() WHERE id = :id"), {"id": member.broadcast_id})
    session.commit()
    code = session.scalars(select(Broadcast.alert_code).where(Broadcast.id == member.broadcast_id)).one()
    yes = client.get(f"/public/a/{code.upper()}?lang=id")
    assert (yes.status_code, "Ya, pesan ini dari kami." in yes.text) == (200, True)
    for wrong in ("222222", "x", code + "2", "<script>", code[::-1]):
        no = client.get("/public/a", params={"code": wrong})
        assert no.status_code == 404, wrong
        assert "<script>" not in no.text
    assert client.get("/public/a").status_code == 200
    session.execute(text("UPDATE broadcast SET is_restricted = true WHERE id = :id"), {"id": member.broadcast_id})
    session.commit()
    quiet = client.get(f"/public/a/{code}?lang=id")
    assert "<blockquote" not in quiet.text
    assert "Ya, pesan ini dari kami." in quiet.text


def test_the_code_of_a_corrected_message_says_so_and_what_holds_now(
    client: TestClient, session: Session, incident: Incident, keyring: Keyring
) -> None:
    """Along the whole chain; a reminder corrects nothing."""
    ids = [make_member(session, incident, make_citizen(session, keyring)).broadcast_id for _ in range(4)]
    first, second, third, reminder = (session.get_one(Broadcast, id_) for id_ in ids)
    for place, row in enumerate((first, second, third, reminder)):
        row.texts = {"id": f"Isi {place}.", "en": f"Words {place}."}
        row.released_at = session.scalar(select(func.now()))
    second.references, third.references = [first.id], [second.id]
    reminder.references, reminder.purpose = [third.id], Purpose.FOLLOW_UP
    first.state = second.state = State.CANCELLED
    session.commit()
    for code in (first.alert_code, second.alert_code):
        page = client.get(f"/public/a/{code}?lang=id").text
        assert "Pesan ini tidak berlaku lagi" in page
        assert "<blockquote>Isi 2.</blockquote>" in page
    for code in (third.alert_code, reminder.alert_code):
        assert "tidak berlaku lagi" not in client.get(f"/public/a/{code}?lang=id").text
    third.is_restricted = True
    session.commit()
    assert "Isi 2." not in client.get(f"/public/a/{first.alert_code}?lang=id").text


def test_a_message_is_quoted_as_it_left_and_its_code_is_read_as_people_type_it(
    client: TestClient, session: Session, incident: Incident, keyring: Keyring
) -> None:
    row = session.get_one(Broadcast, make_member(session, incident, make_citizen(session, keyring)).broadcast_id)
    row.released_at = session.scalar(select(func.now()))
    sent = f"Jauhi pantai. Kabar berikutnya pukul 17.07 (UTC+7). Kode {row.alert_code}"
    session.execute(text("DELETE FROM broadcast_text WHERE broadcast_id = :id"), {"id": row.id})
    session.add(BroadcastText(broadcast_id=row.id, language="id", variant=Variant.PLAIN, body=sent))
    session.commit()
    code = row.alert_code
    for typed in (code, f"Kode {code}", f"{code.upper()}.", f"{code[:3]} {code[3:]}", f" code: {code} "):
        page = client.get("/public/a", params={"code": typed, "lang": "id"})
        assert f"<blockquote>{sent}</blockquote>" in page.text, typed
        assert "tanpa kalimat tentang kabar berikutnya" not in page.text, "nobody got it without"
    session.execute(text("UPDATE broadcast_text SET later_body = 'Jauhi pantai.' WHERE broadcast_id = :id"), {"id": row.id})
    session.commit()
    assert "tanpa kalimat tentang kabar berikutnya" in client.get(f"/public/a/{code}?lang=id").text


def test_a_correction_that_was_taken_back_is_not_what_holds_and_a_reminder_knows_of_it(
    client: TestClient, session: Session, incident: Incident, keyring: Keyring
) -> None:
    ids = [make_member(session, incident, make_citizen(session, keyring)).broadcast_id for _ in range(4)]
    first, correction, reminder, second_reminder = (session.get_one(Broadcast, id_) for id_ in ids)
    for place, row in enumerate((first, correction, reminder, second_reminder)):
        row.texts, row.released_at = {"id": f"Isi {place}.", "en": f"Words {place}."}, session.scalar(select(func.now()))
    correction.references, reminder.references, second_reminder.references = [first.id], [first.id], [reminder.id]
    reminder.purpose = second_reminder.purpose = Purpose.FOLLOW_UP
    session.commit()
    for row in (first, reminder, second_reminder):
        assert "<blockquote>Isi 1.</blockquote>" in client.get(f"/public/a/{row.alert_code}?lang=id").text
    over = "UPDATE broadcast SET approved_at = now() - make_interval(secs => validity_seconds + 1) WHERE id = :id"
    session.execute(text(over), {"id": correction.id})
    session.commit()
    page = client.get(f"/public/a/{first.alert_code}?lang=id").text
    assert ("Isi 1." in page, "Masa berlaku koreksi itu juga sudah lewat." in page) == (False, True)
    correction.state = State.CANCELLED
    session.commit()
    for row in (first, reminder, second_reminder):
        page = client.get(f"/public/a/{row.alert_code}?lang=id").text
        assert "Isi 1." not in page
        assert "Koreksi itu kemudian ditarik juga." in page


def test_what_is_over_says_so(client: TestClient, session: Session, incident: Incident, keyring: Keyring) -> None:
    row = session.get_one(Broadcast, make_member(session, incident, make_citizen(session, keyring)).broadcast_id)
    row.released_at = session.scalar(select(func.now()))
    session.commit()
    past = "UPDATE broadcast SET approved_at = now() - make_interval(secs => validity_seconds + :more) WHERE id = :id"
    for more, is_over in ((-60, False), (1, True)):
        session.execute(text(past), {"id": row.id, "more": more})
        session.commit()
        page = client.get(f"/public/a/{row.alert_code}?lang=id").text
        assert ("Masa berlaku pesan ini sudah lewat." in page) == is_over
