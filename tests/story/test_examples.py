"""Eight invented crises, played by `siaga replay` into a running server, in written order and shuffled: what the sheet says then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from alerts import cli, embedded
from alerts.crisis_check import load_checked
from alerts.stage import Stage
from alerts.story.api import Api
from alerts.story.arrival import shuffled
from alerts.story.crisis import Crisis
from alerts.story.replay import Result, open_incident, replay
from tests.story.examples_expected import LOOKS, Look
from tests.story.sheet_checks import check_instant, current_figures, places_of
from tests.story.turkiye_expected import INSTANTS

FOLDER = Path(cli.__file__).parent / "story" / "data" / "examples"
MISSIONS = (
    *("kbri-colombo", "kbri-amman", "kbri-dhaka", "kbri-maputo", "kbri-muscat", "kbri-abu-dhabi", "kbri-doha", "kbri-riyadh"),
    *("kjri-jeddah", "kbri-khartoum", "kbri-dakar", "kbri-ankara", "kbri-damascus"),
)
ARRIVAL = frozenset({"id", "incident_id", "report_id", "line_id", "person_id", "basis", "opened_at", "at", "version", "counted_at"})
TODAY = re.compile(r"20(2[6-9]|[3-9]\d)-\d\d-\d\dT.*")
"""A moment of this run: when the register was counted, when a word was said. The crises ended before."""


@dataclass
class Ministry:
    """A running server with accounts for the ministry and the missions of the examples, and what was told it so far."""

    api: Api
    told: dict[str, Result] = field(default_factory=dict)

    def by_command(self, name: str, *more: str) -> tuple[int, str, str]:
        """`siaga replay` itself: its exit code, what it printed, and the incident."""
        tokens = "\n".join(f"{source}={token}" for source, token in self.api.tokens.items())
        argv = ["replay", str(FOLDER / f"{name}.json"), "--url", self.api.base_url, "--token", "-", *more]
        ended = CliRunner().invoke(cli.app, argv, input=tokens)
        return ended.exit_code, ended.output, ended.output.strip().rpartition("/")[2]

    def written(self, name: str) -> Result:
        if name not in self.told:
            self.told[name] = replay(crisis_of(name), self.api)
        return self.told[name]

    def shuffled(self, name: str, seed: int) -> Result:
        crisis = crisis_of(name)
        incident = open_incident(crisis, self.api, edition=f"shuffled-{seed}")
        return replay(crisis, self.api, incident_id=incident, steps=shuffled(crisis, seed))

    def sheet(self, incident: str, at: str, known_at: str | None = None) -> dict[str, Any]:
        known = f"&known_at={known_at.replace('+', '%2B')}" if known_at else ""
        return self.api.get(f"/incidents/{incident}/summary?as_of={at.replace('+', '%2B')}{known}")  # type: ignore[no-any-return]

    def known_at(self, report_id: str) -> str:
        incident = next(result.incident_id for result in self.told.values() if report_id in result.reports.values())
        return str(self.api.get(f"/incidents/{incident}/reports/{report_id}")["known_at"])


def crisis_of(name: str) -> Crisis:
    return load_checked(str(FOLDER / f"{name}.json") if name in LOOKS else name)


@pytest.fixture(scope="module")
def ministry() -> Iterator[Ministry]:
    with embedded.services(purpose="flow", is_durable=False) as services, closing(Stage(services, mode="test")) as stage:
        stage.migrate()
        accounts = stage.make_accounts({code: code for code in MISSIONS})
        stage.start("serve")
        tokens = {"ministry": accounts["duty_officer"].token} | {f"mission:{code}": accounts[code].token for code in MISSIONS}
        yield Ministry(Api(stage.url, tokens))


@pytest.mark.parametrize("name", LOOKS)
def test_the_command_plays_each_and_the_sheet_is_right_at_every_moment(ministry: Ministry, name: str) -> None:
    code, said, incident = ministry.by_command(name)
    assert code == 0, said
    result = ministry.written(name)
    assert result.incident_id == incident, "the same file is the same incident, by whatever hand"
    for look in LOOKS[name]:
        check_look(ministry, result, look)


@pytest.mark.parametrize("name", LOOKS)
def test_another_order_of_arrival_ends_in_the_same_sheet(ministry: Ministry, name: str) -> None:
    check_order(ministry, name, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("name", [*LOOKS, "turkiye_2023"])
def test_any_order_of_arrival_ends_in_the_same_sheet(ministry: Ministry, name: str, seed: int) -> None:
    check_order(ministry, name, seed)


def test_turkiye_in_another_order_still_holds_its_table(ministry: Ministry) -> None:
    result = ministry.shuffled("turkiye_2023", 3)
    assert result.count("failed") == 0, [each.detail for each in result.outcomes if each.state == "failed"]
    for want in INSTANTS:
        check_instant(ministry.sheet(result.incident_id, want.at), want)


def test_of_a_past_crisis_nothing_is_expected_that_nobody_promised(ministry: Ministry) -> None:
    sheet = ministry.sheet(ministry.written("checked_totals").incident_id, "2025-12-01T00:00:00+00:00")
    assert "Perkembangan berikutnya" not in sheet["sentence"]["id"]
    assert [row["due_at"] for row in sheet["missions"] if not row["reports"]] == [None] * sum(
        not row["reports"] for row in sheet["missions"]
    )


def test_the_command_can_shuffle_and_can_be_repeated(ministry: Ministry) -> None:
    first, again = ministry.by_command("coup", "--shuffle", "5"), ministry.by_command("coup", "--shuffle", "5")
    assert (first[0], again[0], first[2]) == (0, 0, again[2]), again[1]
    assert first[2] != ministry.written("coup").incident_id


def check_look(ministry: Ministry, result: Result, look: Look) -> None:
    known_at = ministry.known_at(result.reports[look.known]) if look.known else None
    sheet = ministry.sheet(result.incident_id, look.at, known_at)
    stands = standing(sheet)
    assert stands == look.stands, (look.at, look.known)
    assert sorted(held["raw"] for held in sheet["held"]) == sorted(look.held), look.at
    assert [frozenset(figure["number"] for figure in each["figures"]) for each in sheet["conflicts"]] == list(look.conflicts), look.at
    assert sorted((figure["category"], figure["number"]) for figure in sheet["planned"]) == sorted(look.planned), look.at
    sentence = sheet["sentence"]["id"]
    assert [words for words in look.says if words not in sentence] == [], sentence
    assert [words for words in look.says_not if words in without_clock(sentence)] == [], sentence
    reports = {row["mission_code"]: row["reports"] for row in sheet["missions"]}
    assert {code: reports[code] for code in look.reports} == look.reports


def standing(sheet: dict[str, Any]) -> dict[str, int | str]:
    """Every standing figure by its cell; contradicting ones together."""
    found: dict[str, list[Any]] = {}
    for figure in current_figures(sheet):
        key = f"{figure['category']} {places_of(figure)} {figure['nationality']} {figure['series']}"
        found.setdefault(key, []).append(figure["answer"] if figure["number"] is None else figure["number"])
    return {key: values[0] if len(values) == 1 else " / ".join(str(value) for value in sorted(values)) for key, values in found.items()}


def without_clock(sentence: str) -> str:
    """The sentence behind "as of"; its date is no figure."""
    return sentence.partition(": ")[2]


def check_order(ministry: Ministry, name: str, seed: int) -> None:
    written, other = ministry.written(name), ministry.shuffled(name, seed)
    assert other.count("failed") == 0, [each.detail for each in other.outcomes if each.state == "failed"]
    at = max(step.at for step in crisis_of(name).steps).replace(year=2025, month=12).isoformat()
    assert comparable(ministry.sheet(other.incident_id, at)) == comparable(ministry.sheet(written.incident_id, at))


def comparable(sheet: Any) -> Any:
    """What a sheet says, without the ids and times that arrival itself gives; lists in one order."""
    if isinstance(sheet, dict):
        return {name: comparable(each) for name, each in sheet.items() if name not in ARRIVAL and "known_at" not in name}
    if isinstance(sheet, list):
        return sorted((comparable(each) for each in sheet), key=lambda each: json.dumps(each, sort_keys=True))
    return "today" if isinstance(sheet, str) and TODAY.fullmatch(sheet) else sheet
