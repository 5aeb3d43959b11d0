"""Files that cannot be used, also hostile ones: one sentence with step and field, before anything is opened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from alerts import cli
from alerts.crisis_check import load_checked
from alerts.story.crisis import CrisisFileError
from alerts.story.replay import replay
from tests.story.worlds import Teller

Json = dict[str, Any]
NOWHERE = ["--url", "http://127.0.0.1:9", "--token", "ministry=x"]


def step(kind: str = "report", ref: str = "a", **more: Any) -> Json:
    return {"ref": ref, "kind": kind, "at": "2021-03-01T08:00:00+03:00", "title": {"id": "x", "en": "x"}, **more}


def report(*lines: Any, **more: Any) -> Json:
    return step(report={"source": "mission:kbri-muscat", "lines": list(lines), **more})


def line(**more: Any) -> Json:
    return {"category": "injured", "places": ["YE"], "value": 1, **more}


def whole(*steps: Any, **more: Any) -> str:
    incident = {"kind": "flood", "title": "Banjir", "occurred_at": "2021-03-01T00:00:00+03:00", "is_replayed": True}
    incident["areas"] = [{"kind": "country", "code": "YE"}]
    text = {"id": "x", "en": "x"}
    return json.dumps({"form": "siaga-crisis/1", "name": "yaman", "about": text, "incident": incident, "steps": list(steps)} | more)


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[str | bytes], str]:
    """What is said of a file with this content, without the file's name."""

    def said(content: str | bytes) -> str:
        file = tmp_path / "krisis.json"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(CrisisFileError) as error:
            load_checked(str(file))
        assert str(error.value).startswith(f"{file}: ")
        assert "\n" not in str(error.value)
        return str(error.value).removeprefix(f"{file}: ")

    return said


BODIES = {
    "a misspelt field of a line": (report(line(), line(nationalty="own")), "steps[0] (a) report.lines.1.nationalty: there is no such name"),
    "an unknown category": (report(line(category="hurt")), "steps[0] (a) report.lines.0.category: Input should be 'dead'"),
    "places that are no list": (report(line(places="YE")), "steps[0] (a) report.lines.0.places: Input should be a valid list"),
    "a line that is none": (report("12 injured"), "steps[0] (a) report.report: lines must be a list of objects"),
    "a promise without offset": (report(next_report_at="2021-03-01T10:00:00"), "report.next_report_at: a time with its offset is needed"),
    "a source that is none": (step(report={"source": "embassy"}), "report.source: String should match pattern"),
    "no source": (step(report={}), "steps[0] (a) report.source: is missing"),
    "a negative place of a line": (step("confirm", by="ministry", report="b", lines=[-1], reason="karena"), "confirm.lines.0"),
    "a person without its form": (step("person", by="ministry", person={"nme": "x"}), "person.nme: there is no such name"),
    "a death without its basis": (step("death", by="ministry", person="b", step="confirm", body={}), "step a: speaks of b"),
    "a cover without a mission": (step("cover", mission="kbri-muscat", cover={"reason": "listrik"}), "cover.mission_code: is missing"),
    "a level that is none": (step("change", change={"levels": [{"area": "YE", "siaga_level": "IV"}]}), "change.levels.0.siaga_level"),
    "a merge of nothing": (step("merge", incident="b", reason="sama"), "step a: speaks of b, which is no earlier step"),
    "an unknown kind": (step("rumour"), "steps[0] (a): Input tag 'rumour'"),
    "no object": (7, "steps[0] (?)"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_wrong_body_is_named_by_step_and_field(refused: Callable[[str], str], case: str) -> None:
    wrong, says = BODIES[case]
    assert says in refused(whole(wrong))


def test_the_last_of_many_steps_is_checked_too(refused: Callable[[str], str]) -> None:
    steps = [{**report(line()), "ref": f"s{number}"} for number in range(40)]
    steps[39]["report"]["lines"][0]["value"] = {"about": 12}
    assert refused(whole(*steps)).startswith("steps[39] (s39) report.lines.0.value")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"{", "not JSON: "),
        (b"form: siaga-crisis/1", "not JSON: "),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 at byte 0; save it as UTF-8"),
        ('{"name": "S\u00e3o Tom\u00e9"}'.encode("latin-1"), "not UTF-8 at byte 11"),
        (b"[" * 100_000, "nested deeper than 32 levels"),
        (b"[" * 60 + b"]" * 60, "nested deeper than 32 levels"),
        (b"9" * 5_000, "not JSON: "),
        (b'{"steps": [{"ref": "a", "value": NaN}]}', "steps[0] (a) value: is no number"),
        (b'{"steps": [{"ref": "a", "value": 1e999}]}', "steps[0] (a) value: is no number"),
        (b'{"steps": [{"ref": "a", "value": "\\u0000"}]}', "steps[0] (a) value: is no text"),
        (b'{"steps": [{"ref": "a", "value": "\\ud800"}]}', "steps[0] (a) value: is no text"),
        (b'{"steps": [{"ref": "a", "report": {"lines": [{"value": 1, "value": 2}]}}]}', "report.lines.0: the name 'value' stands twice"),
        (b"[]", "the whole: "),
    ],
)
def test_what_is_no_crisis_file_is_one_sentence(refused: Callable[[bytes], str], content: bytes, says: str) -> None:
    assert says in refused(content)


def test_too_much_is_refused_before_it_is_played(refused: Callable[[str | bytes], str]) -> None:
    assert "at most 10000 items" in refused(whole(*(step("event", f"s{number}") for number in range(10_001))))
    assert refused(b" " * 20_000_001) == "larger than 20 MB: no crisis file"


def test_an_endless_device_is_not_read_to_its_end() -> None:
    with pytest.raises(CrisisFileError, match="larger than 20 MB"):
        load_checked("/dev/zero")


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "krisis.json"
    file.write_text(whole(report(line())), encoding="utf-8-sig")
    assert len(load_checked(str(file)).steps) == 1


def test_what_only_the_server_can_judge_is_told_with_its_step(teller: Callable[[str], Teller], tmp_path: Path) -> None:
    """Figures are never refused; a mission without a token, and a step out of its time, end nothing else."""
    file = tmp_path / "krisis.json"
    negative, late = report(line(value=-4)), {**report(line()), "ref": "late", "at": "2021-02-28T08:00:00+03:00"}
    nobody = step(ref="nobody", report={"source": "mission:kbri-atlantis", "lines": [line()]})
    file.write_text(whole(negative, nobody, late))
    result = replay(load_checked(str(file)), teller("yaman").api)
    assert [(each.step.ref, each.state) for each in result.outcomes] == [("a", "held"), ("nobody", "failed"), ("late", "accepted")]
    assert result.outcomes[1].detail == "no token for mission:kbri-atlantis"


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "krisis.json"
    file.write_text(whole(report(line())))
    argv = [sys.executable, "-m", "alerts.cli", "replay", str(file), *NOWHERE]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "http://127.0.0.1:9 cannot be asked: ConnectionError\n")


def test_a_token_without_its_source_is_said(tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli.app, ["replay", str(tmp_path / "none.json"), "--url", "http://127.0.0.1:9", "--token", "abc"])
    assert ended.exit_code == 2
    assert "SOURCE=TOKEN is needed" in ended.output
