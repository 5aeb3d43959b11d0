"""The invented attack, against a table written by hand: rules on what is filed, and the whole file over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from alerts import cli
from alerts.families.models import Enquiry
from alerts.families.paging import page_owners
from alerts.inbox.lapsit.rules import Sender, as_report
from alerts.live.rules.briefing import brief_of
from alerts.live.rules.sheet import build_sheet
from alerts.live.schemas import AnswerSheet, QuestionKey, Register, Words
from alerts.notices.models import Paging
from alerts.reports.code_lists.rules import Verdict
from alerts.reports.rules.lapsit import read
from alerts.reports.rules.mission_status import Works
from alerts.reports.schemas import MissionStatusIn
from alerts.story.crisis import CrisisFileError, bundled_names, load_crisis
from alerts.story.live import as_it_happens, minute_of
from alerts.story.reading import read_aloud
from alerts.story.replay import replay
from alerts.story.steps import ReportStep, TextStep
from tests.factories.reports import Filing, incident_facts, with_time
from tests.story.attack_expected import INSTANTS, NEVER, NOT_REGISTERED
from tests.story.sheet_checks import check_instant
from tests.story.turkiye_expected import Instant
from tests.story.worlds import Teller

CRISIS = load_crisis("attack")
LATER = datetime(2030, 1, 1, tzinfo=UTC)
NOBODY = Register(
    people=0, country_only=0, text=Words(id="data lapor diri: 0", en="our register: 0"), classes=[], lists=[], counted_at=LATER
)
EMBASSY = Sender("kbri-windhoek", "Kepala Perwakilan, KBRI Windhoek", ZoneInfo("Africa/Windhoek"), ("NA",))


@pytest.fixture(scope="module")
def filing() -> Filing:
    """What the missions, the police and the embassy's text message said, in the file's order."""
    filed = Filing()
    for step in CRISIS.steps:
        if isinstance(step, ReportStep):
            filed.file(with_time(step.report, step.at), ref=step.ref)
        elif isinstance(step, TextStep) and step.text.startswith("LAPSIT"):
            words = step.text.format(incident="A7K", code="483920", clock=f"{step.at:%H%M}")
            report = as_report(read(words), EMBASSY, step.at, Verdict.VALID)
            filed.file(report.model_dump(mode="json", exclude_unset=True), ref=step.ref)
    return filed


def sheet_at(filing: Filing, as_of: str) -> AnswerSheet:
    facts = replace(filing.facts(incident_facts(CRISIS)), register=NOBODY)
    return build_sheet(facts, datetime.fromisoformat(as_of), LATER)


@pytest.mark.parametrize("want", INSTANTS, ids=lambda want: want.at)
def test_sheet_at_instant(filing: Filing, want: Instant) -> None:
    check_instant(sheet_at(filing, want.at).model_dump(mode="json"), want)


@pytest.mark.parametrize("want", INSTANTS, ids=lambda want: want.at)
def test_nobody_registered_is_said_as_that_and_how_many_there_are_stays_open(filing: Filing, want: Instant) -> None:
    sheet = sheet_at(filing, want.at)
    present = next(question for question in sheet.questions if question.key is QuestionKey.PRESENT)
    assert present.text.id.startswith("data lapor diri: 0")
    assert NOT_REGISTERED in sheet.sentence.id
    asked = {figure.category.value: figure.answer.value for figure in present.values}
    assert asked.get("estimated_present") in (None, "no_answer_yet"), "nobody knows how many are there"
    assert all(total.low is None for total in present.totals)
    brief = brief_of(sheet)
    said = " ".join(clause.text.id for clause in brief.clauses if clause.key in brief.chosen)
    assert not [word for word in NEVER if word in said]


def test_the_embassy_says_of_itself_that_it_is_out_of_use(filing: Filing) -> None:
    [first, text] = [report for report in filing.reports if report.source == "mission:kbri-windhoek"]
    for report, reached in ((first, 6), (text, 9)):
        status = MissionStatusIn.model_validate(report.mission_status, from_attributes=True)
        assert (status.office, status.staff_reached, status.staff_total) == (Works.NOT_WORKING, reached, 9)


def test_the_nationality_check_says_what_it_moved(filing: Filing) -> None:
    before, after = (sheet_at(filing, at) for at in ("2020-02-29T10:30+02:00", "2020-02-29T11:00+02:00"))
    sheltered = {figure.nationality.value: figure.number for figure in before.figures if figure.category == "sheltering"}
    assert sheltered == {"mixed": 7}
    checked = [figure for figure in after.figures if figure.category == "sheltering"]
    assert {figure.nationality.value: figure.number for figure in checked} == {"own": 5, "foreign_helped": 2}
    for figure in checked:
        assert figure.moved is not None
        assert "7" in figure.moved.id
        assert "paspor diperiksa" in figure.moved.id


def test_the_second_statement_says_who_was_reached_and_asked_never_that_all_are_safe(filing: Filing) -> None:
    brief = brief_of(sheet_at(filing, "2020-02-29T11:00+02:00"))
    chosen = {clause.key: clause.text.id for clause in brief.clauses if clause.key in brief.chosen}
    assert chosen["contacted"] == "1 WNI telah dihubungi."
    assert chosen["check.hospital"] == "Perwakilan RI telah menghubungi 3 dari 3 rumah sakit yang didata, 1 di antaranya didatangi."
    assert "host" not in chosen
    assert "deaths" not in chosen


def test_a_story_told_live_is_as_old_at_its_end_as_in_the_file_and_what_it_promises_is_still_to_come() -> None:
    now = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    live = as_it_happens(CRISIS, now).crisis
    ends = now + timedelta(seconds=59 * 1.25)
    assert live.incident["is_replayed"] is False
    assert live.incident["title"] == CRISIS.incident["title"]
    assert datetime.fromisoformat(live.incident["occurred_at"]) == ends - timedelta(minutes=60)
    assert [ends - step.at for step in live.steps] == [CRISIS.steps[-1].at - step.at for step in CRISIS.steps]
    assert minute_of(live, live.steps[-1].at) == 60
    first = next(step for step in live.steps if step.ref == "windhoek-1")
    assert isinstance(first, ReportStep)
    assert datetime.fromisoformat(first.report["next_report_at"]) == now + timedelta(seconds=7 * 1.25)
    with pytest.raises(CrisisFileError, match="pace"):
        as_it_happens(load_crisis("feri_2021"), now)


def test_replayed_into_a_running_server_it_pages_and_texts_nobody_and_publishes_nothing(
    session: Session, teller: Callable[[str], Teller]
) -> None:
    tell = teller("attack")
    result = replay(CRISIS, tell.api)
    states = {outcome.step.ref: (outcome.state, outcome.detail) for outcome in result.outcomes}
    assert result.count("failed") == 0, states
    assert {ref for ref, (state, _) in states.items() if state == "skipped"} == {
        "duty-coming",
        "pretoria-coming",
        "windhoek-sms",
        "statement-1",
        "statement-2",
    }
    sheet = tell.summary(result.incident_id, as_of=CRISIS.steps[-1].at.isoformat())
    assert sheet["registered"]["people"] == 0
    assert NOT_REGISTERED in sheet["sentence"]["id"]
    windhoek = next(mission for mission in sheet["missions"] if mission["mission_code"] == "kbri-windhoek")
    assert (windhoek["chaser"]["state"], windhoek["chaser"]["covered_by"]) == ("covered", "kbri-pretoria")
    assert any("covered by KBRI Pretoria" in line for line in read_aloud(sheet))
    assert page_owners(session, session.scalars(select(Enquiry.id))) == 0
    assert session.scalars(select(Paging.kind)).all() == [], "it is over: nobody is woken for it"
    again = replay(CRISIS, tell.api)
    assert (again.incident_id, again.reports, again.count("failed")) == (result.incident_id, result.reports, 0)


def test_an_unknown_story_is_refused_with_the_names_of_those_there_are() -> None:
    answer = CliRunner().invoke(cli.app, ["demo", "--story", "banjir"])
    assert answer.exit_code == 2
    assert "there is no story 'banjir'" in answer.output
    for name in bundled_names():
        assert name in answer.output
    assert "attack" in bundled_names()
