"""What the sheet and its sentence may say while somebody speaks of a death of ours, and of what date. No database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.live.queries import _named, _possible_deaths
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet, Total
from alerts.people.queries import TallyRow
from alerts.people.rules import Axis, Nationality
from alerts.reports.rules.codes import Claim
from tests.factories.reports import Filing, incident_facts, line, report_body

T0 = datetime(2026, 3, 1, tzinfo=UTC)
END = T0 + timedelta(days=9)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
INCIDENT = incident_facts(places=("SY", "TR"), opened_at=T0, occurred_at=T0)
DENIALS = ("belum ada laporan mengenai WNI yang meninggal", "tidak ditemukan WNI yang meninggal")


def sheet_of(filing: Filing, **more: Any) -> AnswerSheet:
    return build_sheet(replace(filing.facts(INCIDENT), **more), END, LATER)


def dead_of(sheet: AnswerSheet, category: str = "dead") -> Total:
    return next(t for q in sheet.questions if q.key == "ours" for t in q.totals if t.category == category)


def filing_of(*said: tuple[timedelta, dict[str, Any]], **more: Any) -> Filing:
    filing = Filing()
    for after, body_line in said:
        filing.file(report_body(body_line, as_of=T0 + after, **more))
    return filing


def denies(sheet: AnswerSheet) -> bool:
    return any(text in sheet.sentence.id for text in DENIALS)


def test_places_that_hold_each_other_are_one_ground_and_no_crash() -> None:
    filing = Filing()
    filing.file(report_body(line("dead", 2), as_of=T0))
    filing.file(report_body(line("dead", 3, places=["TR", "TR-31"]), source="ministry", as_of=T0 + timedelta(hours=1)))
    total = dead_of(sheet_of(filing))
    assert (total.low, total.high, [place.code for place in total.places]) == (2, 3, ["TR"])


@pytest.mark.parametrize("silence", ["asked_none_reported", "checked_none_found"])
def test_a_later_silence_does_not_unsay_a_death(silence: str) -> None:
    filing = filing_of((timedelta(0), line("dead", 2)), (timedelta(hours=1), line("dead", silence, how="dicek")))
    sheet = sheet_of(filing)
    total = dead_of(sheet)
    assert (total.low, total.high, total.is_conflicting, len(sheet.conflicts)) == (2, 2, True, 1)
    assert not denies(sheet)


@pytest.mark.parametrize(("value", "low"), [("checked_none_found", 2), (1, 1)])
def test_another_sources_lower_word_days_later_is_a_conflict(value: Any, low: int) -> None:
    filing = filing_of((timedelta(0), line("dead", 2)))
    filing.file(report_body(line("dead", value, how="dicek"), source="ministry", as_of=T0 + timedelta(days=2)))
    sheet = sheet_of(filing)
    total = dead_of(sheet)
    assert (total.low, total.high, total.is_conflicting) == (low, 2, True)
    assert not denies(sheet)


def test_a_correction_with_its_reason_is_no_conflict() -> None:
    filing = Filing()
    filing.file(report_body(line("dead", 2), as_of=T0), ref="first")
    correction = {"supersedes": "first", "supersede_reason": "bukan WNI"}
    filing.file(report_body(line("dead", "asked_none_reported"), as_of=T0 + timedelta(hours=1), **correction))
    assert sheet_of(filing).conflicts == []


def test_an_unproven_contact_does_not_lower_the_unaccounted() -> None:
    filing = filing_of((timedelta(0), line("unaccounted", 2)))
    claim = line("unaccounted", 1, claim="contact_made")
    filing.file(report_body(claim, source="ministry", as_of=T0 + timedelta(days=2)))
    total = dead_of(sheet_of(filing), "unaccounted")
    assert (total.low, total.high, total.is_conflicting) == (1, 2, True)
    contact = {"who": "KBRI", "when": "3 Maret", "how": "telepon"}
    filing.file(report_body(claim | {"contact": contact}, source="ministry", as_of=T0 + timedelta(days=3)))
    assert (dead_of(sheet_of(filing), "unaccounted").high, sheet_of(filing).conflicts) == (1, [])


def test_a_death_of_mixed_nationality_in_our_series_may_be_ours() -> None:
    filing = filing_of((timedelta(0), line("dead", "asked_none_reported")), (timedelta(hours=1), line("dead", 1, nationality="mixed")))
    assert not denies(sheet_of(filing))


def test_a_named_death_of_unverified_nationality_may_be_ours() -> None:
    def row(nationality: Nationality) -> TallyRow:
        return TallyRow(Axis.CONDITION, "dead", Claim.REPORTED, nationality, False, None, None, 1)

    rows = [row(Nationality.UNVERIFIED), row(Nationality.FOREIGN_FAMILY), row(Nationality.FOREIGN_HELPED)]
    assert (_named(rows), _possible_deaths(rows)) == ({}, 1)
    filing = filing_of((timedelta(0), line("dead", "asked_none_reported")))
    assert denies(sheet_of(filing))
    sheet = sheet_of(filing, possible_deaths=1)
    assert not denies(sheet)
    assert "Informasi mengenai kemungkinan WNI terdampak masih diverifikasi." in sheet.sentence.id


def test_the_sentence_is_dated_by_the_oldest_total_that_is_read() -> None:
    filing = filing_of((timedelta(hours=2), line("injured", 4)), (timedelta(days=3), line("sheltering", 40)))
    filing.file(report_body(line("dead", 900, series="host_state", nationality="mixed"), source="host_state", as_of=T0 + timedelta(days=4)))
    assert sheet_of(filing).sentence.id.startswith("Per 1 Maret 2026 pukul 09.00 WIB:")
    assert sheet_of(Filing()).sentence.id.startswith("Per 1 Maret 2026 pukul 07.00 WIB:")


def test_not_asked_covers_no_ground_of_none_reported() -> None:
    filing = filing_of((timedelta(0), line("dead", "asked_none_reported", places=["SY"])), (timedelta(0), line("dead", "not_asked")))
    total = dead_of(sheet_of(filing))
    assert (total.answer, [place.code for place in total.places], total.is_partial) == ("none_reported", ["SY"], True)


def test_a_hole_inside_none_reported_keeps_it_partial() -> None:
    filing = filing_of((timedelta(0), line("dead", "asked_none_reported", places=["TR", "SY"])))
    assert not dead_of(sheet_of(filing)).is_partial
    filing.file(report_body(line("dead", "not_asked", places=["TR-31"]), as_of=T0 + timedelta(hours=1)))
    assert dead_of(sheet_of(filing)).is_partial
