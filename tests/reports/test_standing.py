"""What a decision about a conflict leaves standing. No database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.reports.rules.standing import Standing, stand
from tests.factories.reports import Filing, line, report_body

T0 = datetime(2026, 3, 1, tzinfo=UTC)
HOST = {"series": "host_state", "nationality": "mixed"}


def stood(filing: Filing, resolved: dict[str, Any] | None = None) -> Standing:
    return stand(filing.lines, filing.reports, resolved or {})


@pytest.mark.parametrize("keep", [5385, 5835])
def test_a_decided_severity_moves_the_losing_line_to_older(keep: int) -> None:
    filing = Filing()
    filing.file(report_body(line("injured", 5385, **HOST), source="host_state", as_of=T0))
    filing.file(report_body(line("seriously_injured", 5835, **HOST), as_of=T0 + timedelta(hours=1)))
    (clash,) = stood(filing).contradictions
    after = stood(filing, {clash.id: next(each.id for each in clash.lines if each.number == keep)})
    assert ([each.number for each in after.current], after.contradictions) == ([keep], [])
    assert {each.number for each in after.older} == {5385, 5835} - {keep}


def test_a_decided_fall_stays_decided_when_the_same_is_said_again() -> None:
    filing = Filing()
    filing.file(report_body(line("dead", 2), as_of=T0))
    filing.file(report_body(line("dead", 1), source="ministry", as_of=T0 + timedelta(days=2)))
    (clash,) = stood(filing).contradictions
    resolved = {clash.id: next(each.id for each in clash.lines if each.number == 1)}
    filing.file(report_body(line("dead", 1), source="ministry", as_of=T0 + timedelta(days=3)))
    after = stood(filing, resolved)
    assert ([each.number for each in after.current], after.contradictions) == ([1], [])
    assert [each.number for each in after.older] == [2]


def test_a_decided_silence_keeps_the_number_visible() -> None:
    filing = Filing()
    filing.file(report_body(line("dead", 2), as_of=T0))
    filing.file(report_body(line("dead", "asked_none_reported"), as_of=T0 + timedelta(hours=1)))
    (clash,) = stood(filing).contradictions
    resolved = {clash.id: next(each.id for each in clash.lines if each.number is None)}
    for hour in (2, 3):
        after = stood(filing, resolved)
        assert ([each.number for each in after.current], [each.number for each in after.older]) == ([None], [2])
        assert after.contradictions == []
        filing.file(report_body(line("dead", "asked_none_reported"), as_of=T0 + timedelta(hours=hour)))
