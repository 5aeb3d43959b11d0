"""The earthquakes of 6 February 2023, against a table written by hand. No database: rules on the file's reports."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from alerts.live.rules.changes import content_hash, content_of
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet
from alerts.story.crisis import load_crisis
from tests.factories.reports import Filing, filing_of, incident_facts, report_steps
from tests.story.sheet_checks import check_instant, current_figures
from tests.story.turkiye_expected import INSTANTS, Instant

CRISIS = load_crisis("turkiye_2023")
LATER = datetime(2030, 1, 1, tzinfo=UTC)
END = datetime(2023, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def filing() -> Filing:
    return filing_of(CRISIS)


def sheet_at(filing: Filing, as_of: datetime, known_at: datetime = LATER) -> AnswerSheet:
    return build_sheet(filing.facts(incident_facts(CRISIS)), as_of, known_at)


@pytest.mark.parametrize("want", INSTANTS, ids=lambda want: want.at)
def test_sheet_at_instant(filing: Filing, want: Instant) -> None:
    sheet = sheet_at(filing, datetime.fromisoformat(want.at))
    check_instant(sheet.model_dump(mode="json"), want)


def test_table_has_at_least_twelve_instants() -> None:
    assert len({want.at for want in INSTANTS}) >= 12


def test_no_own_death_is_ever_printed_as_zero_on_the_sixth(filing: Filing) -> None:
    for minutes in range(0, 20 * 60, 10):
        at = datetime.fromisoformat("2023-02-06T04:17+03:00") + timedelta(minutes=minutes)
        sheet = sheet_at(filing, at).model_dump(mode="json")
        own = [f for f in current_figures(sheet) if f["category"] == "dead" and f["nationality"] == "own"]
        assert all(f["number"] is None for f in own)
        total = next(t for q in sheet["questions"] if q["key"] == "ours" for t in q["totals"] if t["category"] == "dead")
        assert (total["low"], total["high"]) == (None, None)


def test_possible_own_deaths_never_leave_the_building(filing: Filing) -> None:
    for want in INSTANTS:
        sheet = sheet_at(filing, datetime.fromisoformat(want.at)).model_dump(mode="json")
        for figure in current_figures(sheet):
            if figure["category"] == "dead" and figure["number"] and figure["nationality"] != "mixed":
                assert figure["publication"] != "free"
                assert "bukan untuk umum" in figure["mark"]["id"]


def test_the_claim_of_the_tenth_says_what_was_claimed_and_counts_as_reported(filing: Filing) -> None:
    sheet = sheet_at(filing, datetime.fromisoformat("2023-02-10T18:00+07:00"))
    claim = next(f for q in sheet.questions for f in q.values if f.category == "unaccounted" and f.source == "ministry")
    assert (claim.claim_filed, claim.claim) == ("contact_made", "reported")
    assert "can now be contacted" in (claim.words or "")


def test_withdrawal_names_the_author_who_withdrew_and_why(filing: Filing) -> None:
    withdrawn, unreached = sorted(sheet_at(filing, END).withdrawn, key=lambda each: each.author)
    assert (unreached.author, unreached.withdrawn_by) == ("mission:kbri-ankara", "mission:kbri-ankara")
    assert withdrawn.author == "ministry"
    assert withdrawn.withdrawn_by == "ministry"
    assert "teridentifikasi" in withdrawn.reason
    assert withdrawn.withdrawn_as_of == datetime.fromisoformat("2023-02-18T12:00+03:00")


def test_shuffled_arrival_ends_in_the_same_sheet(filing: Filing) -> None:
    steps = report_steps(CRISIS)
    expected = content_hash(_comparable(sheet_at(filing, END)))
    for seed in range(8):
        shuffled = _shuffled(random.Random(seed))
        assert [s.ref for s in shuffled] != [s.ref for s in steps]
        assert content_hash(_comparable(sheet_at(filing_of(CRISIS, shuffled), END))) == expected, f"seed {seed}"


def test_known_at_gives_the_earlier_answer_afterwards(filing: Filing) -> None:
    """What was answered while filing is what is answered for that moment when all has been filed."""
    growing = Filing()
    for step in report_steps(CRISIS):
        report = growing.file({"as_of": step.at.isoformat(), **step.report}, ref=step.ref)
        then = sheet_at(growing, END, report.known_at)
        later = sheet_at(filing, END, filing.reports[len(growing.reports) - 1].known_at)
        assert content_hash(_comparable(then)) == content_hash(_comparable(later))


def _shuffled(rng: random.Random) -> list:
    """Any order in which nothing speaks of what was not yet said."""
    waiting, chosen, seen = report_steps(CRISIS), [], set()
    while waiting:
        ready = [step for step in waiting if set(step.mentions()) <= seen]
        step = rng.choice(ready)
        waiting.remove(step)
        chosen.append(step)
        seen.add(step.ref)
    return chosen


def _comparable(sheet: AnswerSheet) -> dict:
    """Without what differs by arrival alone: ids and the times of knowing."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            drop = {"report_id", "line_id", "known_at", "withdrawn_known_at", "last_report_known_at"}
            return {key: strip(item) for key, item in value.items() if key not in drop}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return strip(content_of(sheet))  # type: ignore[return-value]
