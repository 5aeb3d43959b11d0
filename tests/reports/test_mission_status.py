"""The mission itself: people first, whatever was typed is shown, what is not well stands out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerts.reports.rules.mission_status import read_status
from alerts.reports.schemas import MissionStatusIn, ReportIn


def test_people_come_first_as_x_of_y() -> None:
    facts = read_status({"power": "not_working", "staff_reached": 12, "staff_total": 14, "families_reached": "9", "families_total": "9"})
    assert [(fact.key, fact.text.en, fact.is_bad) for fact in facts] == [
        ("staff", "12 of 14 reached", True),
        ("families", "9 of 9 reached", False),
        ("power", "not working", True),
    ]


@pytest.mark.parametrize(
    ("said", "text"),
    [("berfungsi", "working"), ("Not Working", "not working"), (True, "working"), (False, "not working"), ("genset 4 jam", "genset 4 jam")],
)
def test_words_codes_and_own_words_are_understood(said: object, text: str) -> None:
    assert [fact.text.en for fact in read_status({"power": said})] == [text]


def test_what_has_no_field_is_kept_at_the_end() -> None:
    facts = read_status({"safe room": "open", "staff_total": 4, "vehicles": 0, "cash": None, "office": ""})
    assert [(fact.key, fact.text.en) for fact in facts] == [("staff", "? of 4 reached"), ("vehicles", "0"), ("safe room", "open")]


@pytest.mark.parametrize(
    ("filed", "is_typed"),
    [
        ({"staff_reached": 3, "staff_total": 3, "office": "partly", "vehicles": 2}, True),
        ({"staff_reached": "about 3", "office": "half of it"}, False),
        ({"roof": "gone"}, False),
    ],
)
def test_the_api_takes_typed_and_free_states(filed: dict[str, object], is_typed: bool) -> None:
    report = ReportIn.model_validate({"source": "mission:kbri-ankara", "as_of": datetime.now(UTC), "mission_status": filed})
    assert isinstance(report.mission_status, MissionStatusIn) is is_typed
    assert report.status_as_filed == filed
