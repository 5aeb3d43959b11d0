"""The benchmarks through the real command, small: they run, they count exactly, and they say what they promise to say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.datastructures import FormData

from alerts.bench import carrier, limit, outcome, poster, summary
from alerts.bench.outcome import Goal, Outcome, Plan, Round
from alerts.bench.runner import ALL, ALONE, PATHS, paths_of
from alerts.channels.twilio_signature import WebhookCheck
from alerts.embedded.scratch import CHECKOUT
from tests.support.servers import Servers

KEYS = {
    "path",
    "ours_per_second",
    "naive_per_second",
    "limit_per_second",
    "ratio_to_naive",
    "share_of_limit",
    "cpu_seconds_per_1000",
    "rounds",
    "recipients",
    "exact",
    "goal",
    "measured",
    "met",
    "is_quick",
    "machine",
}
MORE = {
    "fanout": {
        "carrier_ceiling_per_second",
        "is_carrier_quick_enough",
        "naive_cpu_seconds_per_1000",
        "limit_cpu_seconds_per_1000",
        "receipts_per_second_ours",
        "receipts_per_second_naive",
        "poster_cpu_seconds_per_1000",
    },
    "rows": set[str](),
    "receipts": {"receipts_per_second_held", "sending_slowed_share", "receipt_latency_ms", "naive_latency_ms"},
    "recovery": {"killed_sending_again_seconds", "flushed_silence_seconds", "frozen_api_p99_ms", "counts", "unknown_outside_windows"},
    "scale": {"cost_ratio", "small_cpu_seconds_per_1000", "worker_rss_mb", "worker_growth_mb"},
    "summary": {"sheet_ms", "stored_version_ms", "keep_version_ms"},
    "live": {"p50_ms", "p95_ms", "p99_ms", "kb_per_watcher", "kb_per_event"},
    "checkins": {"p50_ms", "p95_ms", "p99_ms", "naive_p99_ms", "connections"},
}
RECIPIENTS = {"fanout": 300, "rows": 2_000, "receipts": 300, "recovery": 200, "scale": 600, "summary": 1_000, "checkins": 200, "live": 50}
RATES = {"recovery": (), "scale": ("ours", "limit")}


def siaga_bench(*words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "alerts.cli", "bench", *words]
    return subprocess.run(argv, cwd=CHECKOUT, env=environ, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def line_of(servers: Servers) -> Callable[[str], dict[str, Any]]:
    """What `siaga bench <path> --quick` prints, on the servers of this session."""
    import os

    environ = dict(os.environ) | {"SIAGA_DATABASE_URL": servers.database_url, "SIAGA_REDIS_URL": servers.redis_url}

    def line(path: str) -> dict[str, Any]:
        done = siaga_bench(path, "--quick", "--json", environ=environ)
        assert done.returncode == 0, done.stderr[-3000:]
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["path"] == path
        return document

    return line


LONG = {"receipts", "recovery", "scale"}


@pytest.mark.parametrize("path", [pytest.param(path, marks=pytest.mark.long if path in LONG else ()) for path in PATHS])
def test_a_path_counts_exactly_and_says_what_it_promises(line_of: Callable[[str], dict[str, Any]], path: str) -> None:
    line = line_of(path)
    assert line.keys() >= KEYS | MORE[path]
    assert line["goal"].keys() == line["measured"].keys() == line["met"].keys()
    assert all(line["measured"][name] == line[name] for name in line["goal"])
    assert line["is_quick"] is True
    assert line["rounds"] == 1
    assert line["exact"] is True
    assert line["recipients"] == RECIPIENTS[path]
    assert all(line[f"{way}_per_second"] > 0 for way in RATES.get(path, ("ours", "naive", "limit")))
    CHECKS.get(path, lambda _: None)(line)


def check_receipts_came_in_at_both_doors(line: dict[str, Any]) -> None:
    assert line["receipts_rest_per_second"] > 0
    assert line["receipts_per_second_naive"] is not None  # measured: in a run of seconds none need have come there in its timed part


def check_nobody_is_missing_after_the_workers_were_killed(line: dict[str, Any]) -> None:
    """The carrier's book says so. Foreign servers are neither emptied nor frozen: what that costs is not measured here."""
    counts = line["counts"]
    assert counts["frozen"] == line["recipients"]
    assert counts["missed"] == counts["sent_twice"] == counts["accepted_reads_unknown"] == 0
    assert line["killed_sending_again_seconds"] > 0
    assert line["flushed_silence_seconds"] is None
    assert line["met"]["frozen_api_p99_ms"] is None


CHECKS = {"fanout": check_receipts_came_in_at_both_doors, "recovery": check_nobody_is_missing_after_the_workers_were_killed}


def test_all_is_all_but_what_takes_too_long() -> None:
    assert {*paths_of(ALL)} | ALONE == {*PATHS}
    assert paths_of("everything") == ()


def test_an_unknown_path_is_refused_before_anything_starts(process_environment: dict[str, str]) -> None:
    done = siaga_bench("everything", environ=process_environment)
    assert done.returncode == 2
    assert "everything" in done.stderr


# -- the arithmetic ------------------------------------------------------------------------------------------------------


def outcome_of(*rounds: Round, is_exact: bool = True, is_quick: bool = False, floor: float | None = None) -> Outcome:
    goals = {"ratio_to_naive": Goal(at_least=30, floor=floor), "share_of_limit": Goal(at_least=1.1)}
    return Outcome("x", Plan(is_quick=is_quick), 10, rounds, is_exact, goals)


def test_ratios_are_medians_of_single_rounds() -> None:
    """One slow round of the machine touches both sides of its own ratio, and no other."""
    line = outcome_of(Round(100, 10, 200, 0.5), Round(10, 1, 20, 0.7), Round(300, 10, 200, 0.9)).as_json()
    assert line["ours_per_second"] == 100
    assert line["ratio_to_naive"] == 10
    assert line["share_of_limit"] == 0.5
    assert line["cpu_seconds_per_1000"] == 0.7
    assert line["met"] == {"ratio_to_naive": False, "share_of_limit": False}


def test_what_was_not_measured_is_null_and_neither_met_nor_missed() -> None:
    outcome = outcome_of(Round(100, None, 50), floor=18)
    line = outcome.as_json()
    assert line["naive_per_second"] is None
    assert line["met"] == {"ratio_to_naive": None, "share_of_limit": True}
    assert outcome.is_good


@pytest.mark.parametrize(
    ("is_exact", "is_quick", "floor", "is_good"),
    [(True, False, 9, True), (True, False, 11, False), (True, True, 11, True), (False, True, None, False), (False, False, None, False)],
)
def test_only_a_wrong_count_or_a_ratio_below_its_floor_fails(*, is_exact: bool, is_quick: bool, floor: float | None, is_good: bool) -> None:
    assert outcome_of(Round(100, 10, 10), is_exact=is_exact, is_quick=is_quick, floor=floor).is_good is is_good


@pytest.mark.parametrize("people", [10, 1_000, 1_003])
def test_the_expected_sheet_sums_to_the_list(people: int) -> None:
    counts = summary.expected_counts(people)
    assert counts["handed_over"] + counts["unknown"] + counts["unreachable"] == counts["frozen"] == people
    assert counts["safe"] + counts["need_help"] == counts["answered"] <= counts["delivered"]


def test_figures_are_rounded_to_what_a_shared_machine_deserves() -> None:
    assert outcome_of(Round(12345.6, 1000, 11111)).figures()["ours_per_second"] == 12300


# -- the carrier -----------------------------------------------------------------------------------------------------------


class Wire:
    """What a connection writes."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def request(number: int, *, path: str = "/2010-04-01/Accounts/AC1/Messages.json") -> bytes:
    body = f"To=%2B62812{number}&From=x&Body=y".encode()
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Basic abc\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("size", [1, 7, 60, 10_000])
def test_the_carrier_counts_each_message_once_however_it_is_cut(size: int) -> None:
    book, wire = carrier.Book(), Wire()
    door = carrier.Door(book)
    door.connection_made(wire)  # type: ignore[arg-type]
    data = request(1) + request(2) + request(1)
    for start in range(0, len(data), size):
        door.data_received(data[start : start + size])
    assert book.stats() == {"accepted": 3, "numbers": 2, "most_per_number": 2}
    answers = wire.written.split(b"HTTP/1.1 201 CREATED\r\n")[1:]
    bodies = [json.loads(answer.partition(carrier.HEAD_END)[2]) for answer in answers]
    assert len({body["sid"] for body in bodies}) == 3
    assert all(b"Content-Length: %d\r\n" % len(answer.partition(carrier.HEAD_END)[2]) in answer for answer in answers)
    book.reset()
    assert book.stats() == {"accepted": 0, "numbers": 0, "most_per_number": 0}


def test_the_limit_posts_what_ours_posted_last() -> None:
    book = carrier.Book()
    head, _, body = request(7).partition(carrier.HEAD_END)
    book.accept(head, body)
    task = limit.Task.read(json.dumps({"url": "http://127.0.0.1:1", "count": 1, "connections": 1, **book.last_request()}))
    assert (task.path, task.body) == ("/2010-04-01/Accounts/AC1/Messages.json", body)
    assert task.headers == {"Authorization": "Basic abc"}


def test_the_carrier_tells_each_callback_once_and_only_when_asked() -> None:
    book = carrier.Book()
    body = b"To=%2B62&StatusCallback=http%3A%2F%2Fh%2Fhooks%2F1-1.mac&Body=x"
    book.accept(b"POST", body)
    assert book.tell() == b""
    book.is_telling = True
    book.accept(b"POST", body)
    book.accept(b"POST", b"To=%2B62&StatusCallback=http%3A%2F%2Fh%2F2")
    first, second = book.tell().splitlines()
    assert first == b"SM%032x http%%3A%%2F%%2Fh%%2Fhooks%%2F1-1.mac" % 2
    assert second.endswith(b" http%3A%2F%2Fh%2F2")
    assert book.tell() == b""
    book.accept(b"POST", body)
    book.reset()
    assert (book.tell(), book.is_telling) == (b"", False)


def test_receipts_are_signed_as_twilio_signs_them() -> None:
    address = "http://127.0.0.1:8000/hooks/twilio/status/6401-1.mac"
    request = poster.Signer("token", "AC1").request(b"SM" + b"1" * 32, address.encode())
    head, _, body = request.partition(carrier.HEAD_END)
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /hooks/twilio/status/6401-1.mac HTTP/1.1"
    assert headers["Host"] == "127.0.0.1:8000"
    assert int(headers["Content-Length"]) == len(body)
    form = FormData(parse_qsl(body.decode()))
    assert WebhookCheck("http://127.0.0.1:8000", ["token"]).is_genuine(
        "/hooks/twilio/status/6401-1.mac", form, headers["X-Twilio-Signature"]
    )
    assert form["MessageStatus"] == "delivered"


def test_the_naive_twin_is_where_the_bench_looks_for_it() -> None:
    from alerts.bench import naive

    assert naive.is_there()
    assert Path(naive.SCRIPT).is_relative_to(CHECKOUT / "tests")


def test_machine_says_how_busy_it_was() -> None:
    assert outcome.machine()["load"] >= 0
