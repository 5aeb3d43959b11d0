"""The whole story in real processes, with a crisis that nobody lived through: the code knows no country by name."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from alerts.demo import run_demo
from alerts.embedded import EmbeddedError
from alerts.story.crisis import load_crisis

INVENTED = "feri_2021"


def test_a_port_that_somebody_has_is_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    """Another demo, say: it would be told our passwords, and answer that they are wrong."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(EmbeddedError, match=r"^Port \d+ cannot be had"):
        run_demo(INVENTED, is_once=True, json_path=None, port=other.getsockname()[1])
    assert capsys.readouterr().out == ""


def test_an_invented_crisis_is_told_to_its_end_and_every_promise_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    assert run_demo(INVENTED, is_once=True, json_path=path, port=None) == 0, capsys.readouterr().out
    figures = json.loads(path.read_text())
    assert (figures["missed"], figures["sent_twice"], figures["unknown"], figures["invariants_violated"]) == (0, 0, 0, 0)
    assert figures["recipients_frozen"] == figures["handed_over"] + figures["unreachable"] > 0
    assert figures["answered"] > 0
    assert set(figures["handed_over_by"]) >= {"push", "web_push", "sms"}
    assert sum(figures["handed_over_by"].values()) >= figures["handed_over"]
    assert figures["answered_by"]["link"] > 0
    assert figures["first_sheet_seconds"] < 60
    assert figures["report_to_screen_p95_ms"] is not None
    assert figures["sheet_versions"] > 1
    assert figures["failed_steps"] == 0
    assert set(figures["round_trip_seconds"]) == {"twilio", "lintas", "fcm", "web_push", "whatsapp", "email", "voice"}
    assert all(took is not None for took in figures["round_trip_seconds"].values())
    told = capsys.readouterr().out
    assert f"{len(load_crisis(INVENTED).prepared)} prepared messages" in told
    assert "handed over by way: " in told
    for step in load_crisis(INVENTED).steps:
        assert step.title.en in told


@pytest.mark.long
def test_an_attack_is_told_as_it_happens_up_to_the_second_statement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    assert run_demo("attack", is_once=True, json_path=path, port=None) == 0, capsys.readouterr().out
    figures = json.loads(path.read_text())
    assert (figures["failed_steps"], figures["held"], figures["conflicts"], figures["invariants_violated"]) == (0, 0, 0, 0)
    assert figures["recipients_frozen"] == figures["handed_over"] == 0, "nobody of the register is there"
    assert figures["statements_published"] == 2
    assert figures["digests"] >= 2
    told = capsys.readouterr().out
    for step in load_crisis("attack").steps:
        assert step.title.en in told
    assert "our register: 0 · not known: how many are really there (estimate)" in told
    assert told.count("“DATANG” understood: coming") == 2, "the duty officer and the neighbour"
    assert "filed as report 2: accepted" in told
    assert "office not working" in told
    assert "covered by KBRI Pretoria" in told
    assert "mission_hit" in told
    assert "3 of 3 listed (hospitals) and visited 1 of them" in told
    assert "1 Indonesian citizen has been contacted." in told
    assert "safe" not in told.casefold().replace("contacted, safe", "").replace("reached, safe", "")
