"""Crises replayed through the API, as `siaga replay` does it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.story.crisis import CrisisFileError, load_crisis, parse_crisis
from alerts.story.replay import Result, line_for, open_incident, replay
from tests.story.sheet_checks import check_instant, current_figures
from tests.story.turkiye_expected import INSTANTS
from tests.story.worlds import Teller


def test_turkiye_over_http(teller: Callable[[str], Teller]) -> None:
    crisis, tell = load_crisis("turkiye_2023"), teller("turkiye_2023")
    said: list[str] = []
    result = replay(crisis, tell.api, on_step=lambda outcome: said.append(line_for(outcome)))
    assert result.count("failed") == 0, [o.detail for o in result.outcomes if o.state == "failed"]
    assert (result.count("conflicting"), result.count("held")) == (3, 0)
    assert len(said) == len(crisis.steps)
    for want in INSTANTS:
        check_instant(tell.summary(result.incident_id, as_of=want.at), want)
    end = tell.summary(result.incident_id, as_of="2023-03-01T00:00:00+03:00")
    named = {row["category"]: (row["tally"], row["named"], row["difference"]) for row in end["named"]}
    assert named["dead"] == (4, 4, 0)
    assert {mission["mission_code"]: mission["reports"] for mission in end["missions"]} == {
        "kbri-ankara": 6,
        "kbri-damascus": 1,
        "kjri-istanbul": 0,
    }
    assert end["is_replayed"] is True
    _check_repetition(tell, result)


def _check_repetition(tell: Teller, first: Result) -> None:
    """A second run changes nothing: the same incident, the same reports."""
    crisis = load_crisis("turkiye_2023")
    reports = tell.client.get(f"/api/v1/incidents/{first.incident_id}/reports?limit=200", headers=tell.reader).json()["items"]
    again = replay(crisis, tell.api)
    assert (again.incident_id, again.reports) == (first.incident_id, first.reports)
    assert tell.client.get(f"/api/v1/incidents/{first.incident_id}/reports?limit=200", headers=tell.reader).json()["items"] == reports
    assert open_incident(crisis, tell.api, edition="second") != first.incident_id


def test_known_at_gives_what_was_known(teller: Callable[[str], Teller]) -> None:
    crisis, tell = load_crisis("turkiye_2023"), teller("turkiye_2023")
    result = replay(crisis, tell.api)
    reports = tell.client.get(f"/api/v1/incidents/{result.incident_id}/reports?limit=200", headers=tell.reader).json()["items"]
    known = {row["id"]: row["known_at"] for row in reports}
    before_the_end = known[result.reports["ministry-10feb"]]
    sheet = tell.summary(result.incident_id, as_of="2023-03-01T00:00:00+03:00", known_at=before_the_end)
    own = [f["number"] for f in current_figures(sheet) if f["category"] == "dead" and f["source"] == "ministry"]
    assert own == [2]
    assert sheet["withdrawn"] == []
    assert sheet["registered"] is None, "the register of that moment was never counted"
    again = tell.summary(result.incident_id, as_of="2023-03-01T00:00:00+03:00", known_at=before_the_end)
    assert again == sheet


def test_invented_ferry_runs_through_the_same_code(teller: Callable[[str], Teller]) -> None:
    crisis, tell = load_crisis("feri_2021"), teller("feri_2021")
    result = replay(crisis, tell.api)
    assert result.count("failed") == 0, [o.detail for o in result.outcomes if o.state == "failed"]
    states = {o.step.ref: o.state for o in result.outcomes}
    assert (states["kk-2"], states["kk-3"], states["ministry-1"], states["kk-6"]) == ("held", "accepted", "conflicting", "held")

    evening = tell.summary(result.incident_id, as_of="2021-03-14T23:10:00+08:00")
    assert sorted(held["raw"] for held in evening["held"]) == ["0", "14", "21", "3", "43", "7"]
    night = tell.summary(result.incident_id, as_of="2021-03-15T03:30:00+08:00")
    assert [sorted(f["number"] for f in c["figures"]) for c in night["conflicts"]] == [[5, 7]]
    searched = next(q for q in night["questions"] if q["key"] == "searched")
    assert searched["tallies"][0]["text"] == {"id": "4 dari 7 rumah sakit ditanyai, 1 didatangi", "en": "4 of 7 hospitals asked, 1 visited"}
    morning = tell.summary(result.incident_id, as_of="2021-03-15T08:00:00+08:00")
    (rescued,) = [f for f in morning["figures"] if f["category"] == "evacuated" and f["nationality"] == "own"]
    assert (rescued["number"], rescued["fell_from"]) == (31, 38)
    assert "paspor" in rescued["fall_reason"]
    assert "Hasil pengecekan hingga saat ini: tidak ditemukan" in morning["sentence"]["id"]
    assert sorted(held["raw"] for held in morning["held"]) == ["-4", "1000000000", "2.5", "belasan"]


def test_a_source_without_a_token_fails_alone(teller: Callable[[str], Teller]) -> None:
    tell = teller("turkiye_2023")
    del tell.api.tokens["mission:kbri-damascus"]  # type: ignore[attr-defined]
    result = replay(load_crisis("turkiye_2023"), tell.api)
    failed = [outcome for outcome in result.outcomes if outcome.state == "failed"]
    assert [outcome.step.ref for outcome in failed] == ["damascus-7feb"]
    assert "no token for mission:kbri-damascus" in failed[0].detail


def test_times_in_the_file_are_what_the_reports_carry(teller: Callable[[str], Teller]) -> None:
    tell = teller("feri_2021")
    crisis = load_crisis("feri_2021")
    result = replay(crisis, tell.api)
    rows = tell.client.get(f"/api/v1/incidents/{result.incident_id}/reports?limit=200", headers=tell.reader).json()["items"]
    filed = {row["id"]: datetime.fromisoformat(row["as_of"]) for row in rows}
    wanted = {result.reports[step.ref]: step.at for step in crisis.steps if step.ref in result.reports}
    assert filed == wanted


def test_the_example_of_the_document_runs(teller: Callable[[str], Teller]) -> None:
    document = (Path(__file__).parents[2] / "docs" / "crisis-file.md").read_text(encoding="utf-8")
    crisis = parse_crisis(document.partition("```json")[2].partition("```")[0])
    tell = teller(crisis.name)
    result = replay(crisis, tell.api)
    assert [outcome.state for outcome in result.outcomes] == ["accepted", "accepted"]
    sheet = tell.summary(result.incident_id, as_of="2020-05-01T06:30:00+07:00")
    (evacuated,) = [f for f in sheet["figures"] if f["category"] == "evacuated"]
    assert (evacuated["number"], [part["number"] for part in evacuated["of_which"]]) == (43, [40])
    assert [f["number"] for f in sheet["planned"]] == [100]
    later = tell.summary(result.incident_id, as_of="2020-05-01T07:30:00+07:00")
    assert [f["number"] for f in later["figures"]] == [38]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"form": "siaga-crisis/9"}, "form"),
        ({"surprise": 1}, "surprise"),
        ({"steps": [{"ref": "a", "kind": "rumour", "at": "2021-01-01T00:00:00Z"}]}, "steps[0] (a)"),
        ({"steps": [{"ref": "a", "kind": "event", "at": "2021-01-01T00:00:00", "title": {"id": "x", "en": "x"}}]}, "steps[0] (a) event.at"),
        (
            {
                "steps": [
                    {
                        "ref": "b",
                        "kind": "report",
                        "at": "2021-01-01T00:00:00Z",
                        "title": {"id": "x", "en": "x"},
                        "report": {"source": "ministry", "supersedes": "later"},
                    }
                ]
            },
            "step b: speaks of later",
        ),
    ],
)
def test_a_faulty_file_is_refused_with_its_place(change: dict[str, Any], says: str) -> None:
    whole = {"form": "siaga-crisis/1", "name": "x", "about": {"id": "x", "en": "x"}, "incident": {}, "steps": []}
    with pytest.raises(CrisisFileError) as error:
        parse_crisis(json.dumps(whole | change))
    assert says in str(error.value)


def test_no_file_and_no_json_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(CrisisFileError, match="cannot be read"):
        load_crisis(tmp_path / "none.json")
    with pytest.raises(CrisisFileError, match="not JSON"):
        parse_crisis("{")


@pytest.mark.parametrize("content", [None, "{", '{"form": "siaga-crisis/1"}'], ids=["none", "not-json", "incomplete"])
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "krisis.json"
    if content is not None:
        file.write_text(content)
    argv = [sys.executable, "-m", "alerts.cli", "replay", str(file), "--url", "http://127.0.0.1:9", "--token", "ministry=-x"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{file}: ")
    assert ended.stderr.count("\n") == 1
