"""Promises of the sheet for any reports at all: order of arrival, the past, silence and zero. No database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.live.rules.changes import changes_between, content_hash, content_of
from alerts.live.rules.facts import MissionFacts
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet
from alerts.reports.rules.codes import Claim, Series
from tests.factories.reports import Filing, incident_facts, line, report_body

T0 = datetime(2026, 3, 1, tzinfo=UTC)
END = T0 + timedelta(days=9)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
INCIDENT = incident_facts(places=("SY", "TR"), opened_at=T0, occurred_at=T0)
ANKARA = MissionFacts("kbri-ankara", "KBRI Ankara", "accreditation", False, ("TR",), T0 + timedelta(minutes=5))

SOURCES = st.sampled_from(["mission:kbri-ankara", "mission:kbri-damascus", "ministry", "host_state", "media"])
VALUES = st.one_of(st.integers(-2, 12), st.sampled_from(["asked_none_reported", "checked_none_found", "asked_no_answer", "not_asked", "x"]))
LINES = st.builds(
    lambda category, places, value, series, nationality, claim: line(
        category, value, places=places, series=series, nationality=nationality, claim=claim, how="dicek"
    ),
    st.sampled_from(["dead", "injured", "seriously_injured", "evacuated", "unaccounted", "registered"]),
    st.sampled_from([["TR"], ["TR-31"], ["TR-46"], ["TR-31", "TR-46"], ["SY"], ["TR", "SY"]]),
    VALUES,
    st.sampled_from([series.value for series in Series]),
    st.sampled_from(["own", "foreign_family", "mixed"]),
    st.sampled_from([claim.value for claim in Claim]),
)


@st.composite
def report_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Reports with distinct refs, some correcting or withdrawing an earlier one."""
    bodies: list[dict[str, Any]] = []
    for at in range(draw(st.integers(1, 7))):
        source = draw(SOURCES)
        as_of = T0 + timedelta(minutes=draw(st.integers(0, 3000)))
        body = report_body(*draw(st.lists(LINES, min_size=1, max_size=4)), source=source, as_of=as_of, author=f"suara {at % 2}")
        same = [n for n, other in enumerate(bodies) if other["source"] == source]
        if same and draw(st.booleans()):
            body["supersedes"] = f"r{draw(st.sampled_from(same))}"
            body["supersede_reason"] = "dikoreksi"
        elif bodies and draw(st.integers(0, 3)) == 0:
            body["lines"].append({"category": "dead", "withdraws": f"r{draw(st.integers(0, at - 1))}#0", "withdraw_reason": "keliru"})
        bodies.append(body)
    return bodies


def filed(bodies: list[dict[str, Any]], order: list[int]) -> Filing:
    filing = Filing()
    for at in order:
        filing.file(bodies[at], ref=f"r{at}")
    return filing


def sheet_of(filing: Filing, as_of: datetime = END, known_at: datetime = LATER) -> AnswerSheet:
    return build_sheet(filing.facts(INCIDENT, [ANKARA]), as_of, known_at)


def fingerprint(sheet: AnswerSheet) -> str:
    """What the sheet says, without ids and arrival times."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            drop = {"report_id", "line_id", "known_at", "withdrawn_known_at", "last_report_known_at"}
            return {key: strip(item) for key, item in value.items() if key not in drop}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return content_hash(strip(content_of(sheet)))


def possible_order(bodies: list[dict[str, Any]], seed: int) -> list[int]:
    """Any order of arrival in which nothing speaks of what has not arrived."""
    needs = {at: _needs(body) for at, body in enumerate(bodies)}
    waiting, order, rng = list(range(len(bodies))), [], random.Random(seed)
    while waiting:
        at = rng.choice([at for at in waiting if needs[at] <= set(order)])
        waiting.remove(at)
        order.append(at)
    return order


def _needs(body: dict[str, Any]) -> set[int]:
    refs = [body.get("supersedes"), *(each.get("withdraws") for each in body["lines"])]
    return {int(str(ref).partition("#")[0][1:]) for ref in refs if ref}


@given(report_lists(), st.integers(0, 1000))
def test_the_order_of_arrival_does_not_matter(bodies: list[dict[str, Any]], seed: int) -> None:
    straight = filed(bodies, list(range(len(bodies))))
    shuffled = filed(bodies, possible_order(bodies, seed))
    for as_of in (END, T0 + timedelta(minutes=1500)):
        assert fingerprint(sheet_of(straight, as_of)) == fingerprint(sheet_of(shuffled, as_of))


@given(report_lists())
def test_known_at_never_changes_an_old_answer(bodies: list[dict[str, Any]]) -> None:
    whole, growing = filed(bodies, list(range(len(bodies)))), Filing()
    for at, body in enumerate(bodies):
        growing.file(body, ref=f"r{at}")
        moment = growing.reports[-1].known_at
        assert fingerprint(sheet_of(growing, END, moment)) == fingerprint(sheet_of(whole, END, moment))


@given(report_lists())
def test_a_zero_is_printed_only_for_what_was_checked(bodies: list[dict[str, Any]]) -> None:
    sheet = sheet_of(filed(bodies, list(range(len(bodies)))))
    for figure in all_figures(sheet):
        assert (figure.number == 0) is (figure.answer == "none_found")
        assert (figure.number is None) is (figure.answer not in {"none_found", "number"})
    for question in sheet.questions:
        for total in question.totals:
            assert total.low != 0 or total.answer == "none_found"
            assert total.low is None or total.high is None or total.low <= total.high


@given(report_lists())
def test_every_counting_line_is_shown_or_overtaken_by_its_own_source(bodies: list[dict[str, Any]]) -> None:
    """No figure vanishes between the columns: it stands, is older, held, withdrawn or superseded."""
    filing = filed(bodies, list(range(len(bodies))))
    sheet = sheet_of(filing)
    shown = {figure.line_id for figure in all_figures(sheet)} | {held.line_id for held in sheet.held}
    shown |= {withdrawn.figure.line_id for withdrawn in sheet.withdrawn}
    superseded = {report.supersedes for report in filing.reports}
    newest: dict[Any, datetime] = {}
    for each in filing.lines:
        if each.report.id not in superseded and each.is_figure and each.state == "accepted":
            key = (each.report.speaker, each.cell)
            newest[key] = max(newest.get(key, each.report.as_of), each.report.as_of)
    for each in filing.lines:
        if each.id in shown or each.report.id in superseded or (not each.is_figure and each.state == "accepted"):
            continue
        assert (each.report.speaker, each.cell) in newest, f"{each.raw} is nowhere on the sheet"


@given(report_lists())
def test_no_claim_stands_above_its_proof(bodies: list[dict[str, Any]]) -> None:
    for figure in all_figures(sheet_of(filed(bodies, list(range(len(bodies)))))):
        assert figure.claim in {Claim.REPORTED, Claim.CORROBORATED}, "nobody gave who, when and how"


@given(report_lists())
def test_the_sentence_never_reassures(bodies: list[dict[str, Any]]) -> None:
    sheet = sheet_of(filed(bodies, list(range(len(bodies)))))
    said = (sheet.sentence.id + sheet.sentence.en).lower()
    assert "semua selamat" not in said
    assert "all safe" not in said
    assert "tewas" not in said
    speaks = [f for f in all_figures(sheet) if f.category == "dead" and f.nationality == "own" and f.number]
    if speaks:
        assert "belum ada laporan mengenai wni yang meninggal" not in said
        assert "tidak ditemukan wni yang meninggal" not in said


@given(report_lists())
def test_a_sheet_has_no_changes_against_itself(bodies: list[dict[str, Any]]) -> None:
    filing = filed(bodies, list(range(len(bodies))))
    assert changes_between(sheet_of(filing), sheet_of(filing, END + timedelta(seconds=1))) == []


def all_figures(sheet: AnswerSheet) -> list[Any]:
    top = [f for q in sheet.questions for f in (*q.values, *q.others)] + [*sheet.figures, *sheet.planned, *sheet.older]
    return [each for f in top for each in (f, *f.of_which)]


@pytest.mark.parametrize(
    ("lines", "low", "high", "text"),
    [
        pytest.param([line("dead", 2, places=["TR-31"]), line("dead", 1, places=["TR-46"])], 3, None, "sedikitnya 3", id="parts only"),
        pytest.param([line("dead", 2, places=["TR-31"])], 2, None, "2", id="one place, as it was said"),
        pytest.param([line("dead", 5), line("dead", 2, places=["TR-31"])], 5, 5, "5", id="part inside the whole"),
        pytest.param([line("dead", 5), line("dead", 3, places=["SY"])], 8, 8, "8", id="places side by side add up"),
        pytest.param([line("dead", 1500, is_approximate=True)], 1500, 1500, "sekitar 1.500", id="approximate"),
        pytest.param([line("dead", "asked_none_reported")], None, None, "hingga saat ini belum ada laporan", id="silence is no zero"),
        pytest.param(
            [line("dead", "checked_none_found", how="dicek"), line("dead", "checked_none_found", places=["SY"], how="dicek")],
            0, 0, "0 (hasil pengecekan: tidak ditemukan)", id="a zero needs every area",
        ),
        pytest.param(
            [line("dead", "checked_none_found", places=["SY"], how="dicek")],
            None, None, "0 (hasil pengecekan: tidak ditemukan)", id="a zero of one area is not the incident's",
        ),
    ],
)  # fmt: skip
def test_totals(lines: list[dict[str, Any]], low: int | None, high: int | None, text: str) -> None:
    filing = Filing()
    filing.file(report_body(*lines, as_of=T0))
    total = next(t for q in sheet_of(filing).questions if q.key == "ours" for t in q.totals if t.category == "dead")
    assert (total.low, total.high, total.text.id) == (low, high, text)


def test_newer_parts_that_exceed_an_older_whole_open_the_range() -> None:
    filing = Filing()
    filing.file(report_body(line("dead", 5), as_of=T0))
    parts = [line("dead", 4, places=["TR-31"]), line("dead", 4, places=["TR-46"])]
    filing.file(report_body(*parts, as_of=T0 + timedelta(hours=1)))
    total = next(t for q in sheet_of(filing).questions if q.key == "ours" for t in q.totals if t.category == "dead")
    assert (total.low, total.high, total.text.en) == (5, 8, "5 to 8")


def test_a_mission_is_overdue_by_the_incidents_clock_then_by_its_own_promise() -> None:
    filing = Filing()
    before = sheet_of(filing, T0 + timedelta(minutes=4)).missions[0]
    late = sheet_of(filing, T0 + timedelta(minutes=6)).missions[0]
    assert (before.is_overdue, late.is_overdue, late.last_report_as_of) == (False, True, None)
    promised = T0 + timedelta(hours=2)
    filing.file(report_body(as_of=T0 + timedelta(minutes=7), next_report_at=promised.isoformat()))
    waiting = sheet_of(filing, T0 + timedelta(hours=1))
    assert (waiting.missions[0].is_overdue, waiting.missions[0].due_at) == (False, promised)
    assert all(q.next_update_due == promised and not q.is_overdue for q in waiting.questions)
    broken = sheet_of(filing, T0 + timedelta(hours=3))
    assert broken.missions[0].is_overdue
    assert all(q.is_overdue for q in broken.questions)


def test_an_old_figure_looks_old() -> None:
    filing = Filing()
    filing.file(report_body(line("injured", 4), as_of=T0))
    young = next(q for q in sheet_of(filing, T0 + timedelta(hours=1)).questions if q.key == "ours")
    old = next(q for q in sheet_of(filing, T0 + timedelta(hours=7)).questions if q.key == "ours")
    assert (young.age_seconds, young.is_stale, old.age_seconds, old.is_stale) == (3600, False, 25200, True)


def test_a_press_report_of_an_own_death_silences_none_reported() -> None:
    filing = Filing()
    filing.file(report_body(line("dead", "asked_none_reported"), as_of=T0))
    assert "belum ada laporan" in sheet_of(filing).sentence.id
    filing.file(
        report_body(line("dead", 1, series="media", nationality="own"), source="media", author="press A", as_of=T0 + timedelta(minutes=5))
    )
    sheet = sheet_of(filing)
    assert "belum ada laporan" not in sheet.sentence.id
    assert "masih diverifikasi" in sheet.sentence.id
    ours = next(q for q in sheet.questions if q.key == "ours")
    assert [f.mark.id for f in ours.others if f.mark] == ["BELUM TERKONFIRMASI, bukan untuk umum"]


def test_a_mission_and_the_ministry_that_disagree_the_same_evening() -> None:
    filing = Filing()
    filing.file(report_body(line("injured", 12), as_of=T0))
    filing.file(report_body(line("injured", 10), source="ministry", as_of=T0 + timedelta(hours=5)))
    sheet = sheet_of(filing, T0 + timedelta(hours=6))
    assert [sorted(f.number or 0 for f in c.figures) for c in sheet.conflicts] == [[10, 12]]
    assert "Jumlah WNI yang luka-luka masih diverifikasi." in sheet.sentence.id
    filing.file(report_body(line("injured", 11), source="ministry", as_of=T0 + timedelta(days=2)))
    assert [sorted(f.number or 0 for f in c.figures) for c in sheet_of(filing).conflicts] == [[11, 12]], "fewer hurt needs a reason"
    filing.file(report_body(line("injured", 13), source="ministry", as_of=T0 + timedelta(days=3)))
    assert sheet_of(filing).conflicts == [], "two days later the newer word stands alone"


def test_a_conflict_is_told_in_words_with_no_code_of_ours() -> None:
    filing = Filing()
    filing.file(report_body(line("affected", 1557), as_of=T0))
    filing.file(report_body(line("affected", 116), source="ministry", as_of=T0))
    (conflict,) = sheet_of(filing).conflicts
    assert "mission:" not in conflict.message.id + conflict.message.en
    assert "1.557 – KBRI Ankara" in conflict.message.id
    assert "116 – Kementerian Luar Negeri" in conflict.message.id
    assert "1,557 – KBRI Ankara" in conflict.message.en


def test_a_number_is_not_unsaid_by_no_answer() -> None:
    filing = Filing()
    filing.file(report_body(line("injured", 12), as_of=T0))
    filing.file(report_body(line("injured", "asked_no_answer"), as_of=T0 + timedelta(hours=1)))
    ours = next(q for q in sheet_of(filing).questions if q.key == "ours")
    assert [f.number for f in ours.values] == [12]


def test_a_visit_is_not_undone_by_a_later_call_that_nobody_answered() -> None:
    filing = Filing()
    check = {"target": "hospital", "name": "RS Antakya", "places": ["TR-31"]}
    filing.file(report_body(as_of=T0, checks=[check | {"outcome": "visited", "found": 2}]))
    filing.file(report_body(as_of=T0 + timedelta(hours=1), checks=[check | {"name": "rs antakya ", "outcome": "tried_no_answer"}]))
    searched = next(q for q in sheet_of(filing).questions if q.key == "searched")
    assert [(t.known, t.asked, t.visited, t.found) for t in searched.tallies] == [(1, 1, 1, 2)]
    assert searched.answer == "asked"
