"""Prepared words: two people, versions, what may be filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.broadcasts import rules, template_rules
from alerts.broadcasts.template_rules import TemplateKind, TemplateState
from alerts.incidents.rules import Kind
from alerts.kit.errors import InvalidError
from tests.broadcasts.test_routes import Desk
from tests.factories.templates import WORDS, make_template

DRAFT = {
    "template_code": "gempa",
    "kind": "first_alert",
    "title": "Gempa",
    "texts": WORDS[TemplateKind.FIRST_ALERT],
    "event_kind": "earthquake",
}
PATH = "/api/v1/templates"


def written(desk: Desk, **changes: Any) -> dict[str, Any]:
    answer = desk.post(PATH, DRAFT | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def approved(desk: Desk, template: dict[str, Any]) -> Any:
    return desk.post(f"{PATH}/{template['id']}/approve", {"content_hash": template["content_hash"]})


def test_one_writes_and_another_approves(officer: Desk, approver: Desk) -> None:
    template = written(officer)
    assert (template["version"], template["state"]) == (1, "waiting")
    assert approved(officer, template).status_code == 403
    answer = approved(approver, template)
    assert (answer.status_code, answer.json()["state"]) == (200, "in_use")
    assert approved(approver, template).json()["code"] == "not_waiting"


def test_a_token_approves_nothing(session: Session, client: Any, sign_in: Any, officer: Desk) -> None:
    refused = approved(Desk(client, sign_in("approver", via="token")), written(officer))
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")


def test_a_new_version_takes_over_only_when_it_is_approved(officer: Desk, approver: Desk) -> None:
    first = written(officer)
    approved(approver, first)
    second = written(officer, title="Gempa kuat")
    assert second["version"] == 2
    assert officer.get(f"{PATH}/{first['id']}").json()["state"] == "in_use"
    approved(approver, second)
    assert [each["state"] for each in officer.get(PATH).json()["items"]] == ["in_use", "retired"]


def test_who_wrote_and_became_an_approver_is_still_refused_and_it_is_logged(
    session: Session, client: Any, sign_in: Any, approver: Desk
) -> None:
    author = Desk(client, sign_in("duty_officer", display_name="Penulis"))
    template = written(author)
    session.execute(text("UPDATE staff SET role = 'approver' WHERE display_name = 'Penulis'"))
    session.commit()
    refused = approved(author, template)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_work")
    logged = "SELECT count(*) FROM action_log WHERE action = 'template.decision_refused'"
    assert session.execute(text(logged)).scalar_one() == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE message_template SET approved_by = created_by, approved_via = 'session', approved_at = now()",
        "UPDATE message_template SET approved_by = gen_random_uuid(), approved_via = 'token', approved_at = now()",
        'UPDATE message_template SET texts = \'{"id": "a", "en": "b"}\'',
        "DELETE FROM message_template",
    ],
)
def test_the_database_itself_keeps_the_two_people_and_the_words(session: Session, change: str) -> None:
    make_template(session, is_in_use=False)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text(change))


def test_an_approval_cannot_change_hands(session: Session) -> None:
    make_template(session)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(text("UPDATE message_template SET approved_by = gen_random_uuid()"))


def test_words_out_of_use_stay_out(session: Session, officer: Desk, approver: Desk) -> None:
    template = written(officer)
    assert officer.post(f"{PATH}/{template['id']}/retire").json()["state"] == "retired"
    assert approved(approver, template).status_code == 409
    assert officer.post(f"{PATH}/{template['id']}/retire").status_code == 409


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"texts": {"id": "Di {kota}.", "en": "In {kota}."}}, "texts.id"),
        ({"texts": {"id": "Di {place}.", "en": "Here."}}, "texts"),
        ({"texts": {"id": "x" * 481, "en": "y"}}, "texts.id"),
        ({"texts": {"id": "LATIHAN: x", "en": "y"}}, "texts.id"),
        ({"texts": {"id": "a {", "en": "a {"}}, "texts.id"),
        ({"kind": "cancel"}, "texts.id"),
        ({"template_code": "Gempa Bumi"}, "template_code"),
        ({"kind": "menu"}, "kind"),
    ],
)
def test_what_words_may_not_be_is_refused_with_the_field(officer: Desk, changes: dict[str, Any], field: str) -> None:
    refused = officer.post(PATH, DRAFT | changes)
    assert (refused.status_code, refused.json()["field"]) == (422, field)


@given(st.text(max_size=60))
def test_no_areas_name_brings_in_a_place_an_address_or_a_line(name: str) -> None:
    try:
        said = template_rules.check_place_name(name)
    except InvalidError:
        return
    assert 0 < len(said) <= template_rules.PLACE_NAME_MAX
    assert not set(said) & set("{}<>\n")
    filled = template_rules.fill({"id": "Di {place}, {time}."}, {"id": {"place": said, "time": "04.17"}})
    assert filled["id"] == f"Di {said}, 04.17."


@pytest.mark.parametrize("hotline", ["hubungi kami", "12", "+62 812 http", "0" * 25])
def test_a_hotline_is_a_number(hotline: str) -> None:
    with pytest.raises(InvalidError):
        template_rules.check_hotline(hotline)


def test_a_time_says_its_offset() -> None:
    at = datetime(2023, 2, 6, 1, 17, tzinfo=UTC)
    assert rules.say_time(at.astimezone(timezone(timedelta(hours=3))), "id") == "04.17 (UTC+3)"
    assert rules.say_time(at.astimezone(timezone(timedelta(hours=5, minutes=30))), "en") == "06:47 (UTC+5:30)"
    assert rules.say_time(at, "en") == "01:17 (UTC)"


def test_a_missing_place_is_named() -> None:
    with pytest.raises(InvalidError) as refused:
        template_rules.fill({"id": "Telepon {hotline}."}, {"id": {"hotline": ""}})
    assert refused.value.field == "hotline"


def test_words_for_another_kind_of_event_are_not_offered() -> None:
    assert template_rules.fits_event(None, Kind.FLOOD)
    assert template_rules.fits_event(Kind.FLOOD, Kind.FLOOD)
    assert not template_rules.fits_event(Kind.EARTHQUAKE, Kind.FLOOD)


def test_the_proposed_corrections_are_themselves_acceptable() -> None:
    for kind, texts in template_rules.PROPOSED_CORRECTIONS.items():
        assert template_rules.check_template_texts(texts, kind) == dict(texts)


def test_the_state_follows_the_times(session: Session) -> None:
    template = make_template(session)
    assert template.state is TemplateState.IN_USE
    assert UUID(str(template.approved_by)) != template.created_by
