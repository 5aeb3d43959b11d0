"""The whole story in real processes, with a crisis that nobody lived through: the code knows no country by name."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from alerts.demo import run_demo
from alerts.embedded import EmbeddedError
from alerts.story.crisis import bundled_names, load_crisis

INVENTED = next(name for name in bundled_names() if name != "turkiye_2023")


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
