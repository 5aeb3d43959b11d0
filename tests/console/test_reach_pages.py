"""Who was reached, as a page: while it is sent, to print, and as an export that two people let go."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Broadcast
from alerts.console.chart import HEIGHT, TABLE_ROWS_MAX, chart_of
from alerts.kit.crypto import Keyring
from alerts.kit.i18n import JAKARTA
from alerts.live.reach.board import Board
from alerts.live.reach.proving import digest_of
from alerts.live.reach.rules import Cut
from alerts.live.reach.schemas import PointView, ProofView, ReachSeries
from tests.console.conftest import Browser
from tests.factories.checkins import make_citizen, make_member
from tests.factories.deliveries import make_delivery
from tests.factories.incidents import make_incident


@pytest.fixture
def message(session: Session, keyring: Keyring) -> Broadcast:
    """A message that one person got two hours ago."""
    member = make_member(session, make_incident(session), make_citizen(session, keyring))
    delivery = make_delivery(session, member, "delivered")
    delivery.accepted_at = datetime.now(UTC) - timedelta(hours=1, minutes=58)
    delivery.delivered_at = delivery.accepted_at + timedelta(seconds=30)
    delivery.created_at = delivery.accepted_at - timedelta(minutes=1)
    session.commit()
    return session.get_one(Broadcast, member.broadcast_id)


def series_with(*points: tuple[float, int, int, int]) -> ReachSeries:
    named = [PointView(seconds=s, handed_over=h, delivered=d, answered=a) for s, h, d, a in points]
    return ReachSeries(broadcast_id=uuid4(), released_at=None, as_of=datetime.now(UTC), step_seconds=1, points=named)


def test_a_chart_climbs_to_its_last_value() -> None:
    chart = chart_of(series_with((0, 0, 0, 0), (1, 5, 0, 0), (2, 5, 4, 0), (3, 10, 4, 0)))
    assert chart is not None
    handed_over, delivered, answered = (curve.path for curve in chart.curves)
    assert handed_over == f"M0 {HEIGHT:.0f}H200.0V90.0H600.0V0.0H600"
    assert delivered == f"M0 {HEIGHT:.0f}H400.0V108.0H600"
    assert answered == f"M0 {HEIGHT:.0f}H600"
    assert [row.seconds for row in chart.rows] == [0, 1, 2, 3]
    assert chart_of(series_with((0, 0, 0, 0))) is None


def test_a_table_stays_readable() -> None:
    chart = chart_of(series_with(*((float(n), n, n // 2, 0) for n in range(200))))
    assert chart is not None
    assert len(chart.rows) <= TABLE_ROWS_MAX + 1
    assert chart.rows[-1].handed_over == 199


@pytest.mark.parametrize("lang", ["id", "en"])
def test_the_page_shows_the_course_and_leads_to_the_document(message: Broadcast, browse: Browser, lang: str) -> None:
    officer = browse("duty_officer", lang=lang)
    words = {"id": ("Keterjangkauan lengkap", "Angka yang sama dalam tabel"), "en": ("Reach in full", "The same as a table")}[lang]
    page = officer.get(f"/broadcasts/{message.id}").text
    part = officer.get(f"/broadcasts/{message.id}/reach").text
    assert all(each in page for each in words)
    assert '<path class="delivered"' in part
    assert "<html" not in part


@pytest.mark.parametrize("lang", ["id", "en"])
def test_the_document_says_what_is_known_and_no_more(message: Broadcast, browse: Browser, lang: str) -> None:
    page = re.sub(r"\s+", " ", browse("minister", lang=lang).get(f"/broadcasts/{message.id}/proof").text)
    said = {
        "id": ("Operator menerimanya untuk 1 orang. Itu saja belum berarti pesan sampai.", "Tidak ada yang kami ketahui dikirimi"),
        "en": ("A carrier took it for 1 of them. That alone does not say that it arrived.", "We know of nobody who was sent"),
    }[lang]
    assert [each for each in (*said, "0" * 64, "Malaysia") if each not in page] == []


def test_the_document_as_json_carries_its_own_fingerprint(client: TestClient, message: Broadcast, browse: Browser, sign_in: Any) -> None:
    headers = sign_in("duty_officer")
    answer = client.get(f"/api/v1/broadcasts/{message.id}/proof", headers=headers)
    proof = ProofView.model_validate(answer.json())
    assert proof.document_sha256 == digest_of(proof)
    assert (proof.reach.frozen, proof.reach.handed_over, proof.reach.delivered) == (1, 1, 1)
    assert proof.reach.delivery.seconds_100 is not None
    again = client.get(f"/api/v1/broadcasts/{message.id}/reach", headers=headers)
    assert (
        client.get(f"/api/v1/broadcasts/{message.id}/reach", headers=headers | {"If-None-Match": again.headers["etag"]}).status_code == 304
    )
    series = client.get(f"/api/v1/broadcasts/{message.id}/reach/series", headers=headers).json()
    assert [series["points"][-1][name] for name in ("handed_over", "delivered", "answered")] == [1, 1, 0]
    before = client.get(f"/api/v1/broadcasts/{message.id}/reach", headers=headers, params={"known_at": "2020-01-01T00:00:00Z"}).json()
    assert (before["frozen"], before["forecast"]) == (0, None)


@pytest.mark.parametrize("column", ["is_quiet", "is_restricted"])
def test_words_that_may_not_leave_are_not_in_the_document(
    client: TestClient, session: Session, message: Broadcast, sign_in: Any, column: str
) -> None:
    session.execute(
        text("UPDATE broadcast SET texts = CAST(:texts AS jsonb)"), {"texts": json.dumps({"id": "TITIK KUMPUL", "en": "POINT"})}
    )
    if column == "is_quiet":
        session.execute(text("UPDATE incident SET is_quiet = true"))
    else:
        session.execute(text("UPDATE broadcast SET is_restricted = true"))
    session.commit()
    session.expire_all()
    headers = sign_in("duty_officer")
    answer = client.get(f"/api/v1/broadcasts/{message.id}/proof", headers=headers)
    assert "TITIK KUMPUL" not in answer.text
    assert answer.json()["texts"] is None


def test_an_export_is_asked_for_granted_by_another_and_fetched(message: Broadcast, browse: Browser) -> None:
    officer, approver = browse("duty_officer", lang="en"), browse("approver", lang="en")
    place = f"/broadcasts/{message.id}/exports"
    assert "1 row: one per person and way" in officer.get(place).text
    refused = officer.post(place, form_key="a1", reason=" ", came_from=place)
    assert refused.status_code == 422
    assert officer.post(place, form_key="a2", reason="Pencocokan").status_code == 303
    own = officer.get(place).text
    assert "Somebody else must grant it." in own
    assert "/grant" not in own
    [path] = re.findall(r'action="([^"]+)/grant"', approver.get(place).text)
    assert approver.post(f"{path}/grant", form_key="b1", row_count="7", came_from=place).status_code == 409
    assert approver.post(f"{path}/grant", form_key="b2", row_count="1", came_from=place).status_code == 303
    assert "/file" not in approver.get(place).text
    fetched = officer.post(f"{path}/file", came_from=place)
    assert fetched.headers["content-disposition"].startswith("attachment")
    assert str(message.id) not in fetched.headers["content-disposition"]
    assert "delivered" in fetched.text
    assert officer.post(f"{path}/file", came_from=place).status_code == 409


def test_a_mission_has_no_exports(message: Broadcast, browse: Browser) -> None:
    mission = browse("mission_staff", mission_code="kbri-ankara")
    assert mission.get(f"/broadcasts/{message.id}/exports").status_code == 403
    assert "/exports" not in mission.get(f"/broadcasts/{message.id}").text


def test_another_messages_export_is_not_here(message: Broadcast, browse: Browser) -> None:
    officer = browse("duty_officer")
    stranger = UUID("01900000-0000-7000-8000-000000000000")
    assert officer.post(f"/broadcasts/{message.id}/exports/{stranger}/decline", form_key="x").status_code == 404


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("by", ["", *Cut])
def test_the_course_is_drawn_for_each_part_with_its_table(message: Broadcast, browse: Browser, lang: str, by: str) -> None:
    page = browse("minister", lang=lang).get(f"/broadcasts/{message.id}/reach/course?by={by}").text
    named = {"": "", "country": "Malaysia", "channel": "SMS", "mission": "KBRI Ankara"}[by]
    assert page.count('<svg viewBox="0 0 600 180"') == page.count('-table"><summary>') == (2 if by else 1)
    assert page.count("<thead><tr><th") >= page.count('-table"><summary>') + 1
    assert named in page
    assert 'aria-current="true"' in page


def test_a_past_moment_is_counted_once_for_all_who_ask(
    session: Session, message: Broadcast, browse: Browser, client: TestClient, sign_in: Any
) -> None:
    app: Any = client.app
    settings = app.state.settings
    app.state.reach_board = Board(settings.model_copy(update={"live": settings.live.model_copy(update={"reach_seconds": 3600.0})}))
    moment = datetime.now(JAKARTA) - timedelta(minutes=5)
    asked = {"known_at": f"{moment:%Y-%m-%dT%H:%M}:00+07:00", "by": "country"}
    page = f"/broadcasts/{message.id}/reach/course?by=country&known_at={moment:%Y-%m-%dT%H:%M}"
    first = browse("duty_officer", lang="en").get(page).text
    assert re.search(r"delivered: <strong>1</strong>", first)
    session.execute(text("UPDATE delivery SET delivered_at = NULL"))
    session.commit()
    headers = sign_in("duty_officer")
    assert re.search(r"delivered: <strong>1</strong>", browse("minister", lang="en").get(page).text)
    series = client.get(f"/api/v1/broadcasts/{message.id}/reach/series", headers=headers, params=asked).json()
    assert series["points"][-1]["delivered"] == 1, "the interface has it from there too"
    other = browse("duty_officer", lang="en").get(page.replace(f"{moment:%H:%M}", f"{moment - timedelta(minutes=1):%H:%M}")).text
    assert re.search(r"delivered: <strong>0</strong>", other), "another moment is another count"


def test_the_course_of_a_past_moment(session: Session, message: Broadcast, browse: Browser) -> None:
    officer, path = browse("duty_officer", lang="en"), f"/broadcasts/{message.id}/reach/course?by=country&known_at="
    taken_at = session.execute(text("SELECT accepted_at FROM delivery")).scalar_one().astimezone(JAKARTA)
    then = officer.get(path + f"{taken_at + timedelta(seconds=10):%Y-%m-%dT%H:%M:%S}").text
    assert re.search(r"handed to the carrier: <strong>1</strong>", then)
    assert re.search(r"delivered: <strong>0</strong>", then)
    assert "Nothing of it had been released by then." in officer.get(path + "2020-01-01T00:00").text
    assert officer.get(path + "yesterday").status_code == officer.get(f"/broadcasts/{message.id}/reach/course?by=x").status_code == 422
