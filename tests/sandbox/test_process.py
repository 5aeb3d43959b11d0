"""The carrier as a process: tells its address, ends when asked, and has on disk whatever it said yes to when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alerts.channels.ports import SmsMessage, Transient, Unknown
from alerts.channels.twilio_account import TwilioConfig
from alerts.channels.twilio_sms import TwilioSms
from alerts.sandbox.judge import read_journal
from tests.sandbox.world import ACCOUNT, SENDER, TOKEN, closing

PROGRAM = """
import sys
from pathlib import Path
from alerts.sandbox.carrier import SandboxConfig
from alerts.sandbox.plan import Plan
from alerts.sandbox.server import run
plan = Plan.model_validate({"rules": [{"receipts": "missing"}], "reply_share": 0})
config = SandboxConfig(account_sid=sys.argv[1], auth_token=sys.argv[2], log_path=Path(sys.argv[3]), plan=plan)
run(config, on_ready=lambda url: print(url, flush=True))
"""


@contextmanager
def process(log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PROGRAM, ACCOUNT, TOKEN, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(root)}) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def text(attempt: str) -> SmsMessage:
    callback = f"http://127.0.0.1:1/hooks/twilio/status/{attempt}.mac"
    return SmsMessage(attempt_id=attempt, to_e164="+628110000001", text="Gempa", status_callback=callback, validity_seconds=60)


def port(url: str) -> TwilioSms:
    return TwilioSms(TwilioConfig(account_sid=ACCOUNT, auth_token=TOKEN, from_=SENDER, base_url=url, timeout_seconds=10))


def test_ends_when_asked(tmp_path: Path) -> None:
    async def scene(url: str) -> None:
        async with closing(one := port(url)):
            await one.send(text("a1"))

    with process(tmp_path / "log") as (child, url):
        asyncio.run(scene(url))
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    assert read_journal(tmp_path / "log").accepted == {"a1": 1}


def test_killed_in_the_midst_it_has_written_all_that_it_answered(tmp_path: Path) -> None:
    async def scene(child: subprocess.Popen[str], url: str) -> set[str]:
        answered: set[str] = set()

        async def one_after_the_other(sms: TwilioSms, worker: int) -> None:
            for n in range(10_000):
                try:
                    await sms.send(text(f"{worker}-{n}"))
                except (Transient, Unknown):
                    return
                answered.add(f"{worker}-{n}")
                if len(answered) == 300:
                    child.kill()

        async with closing(sms := port(url)):
            await asyncio.gather(*(one_after_the_other(sms, worker) for worker in range(16)))
        return answered

    with process(tmp_path / "log") as (child, url):
        answered = asyncio.run(scene(child, url))
    written = read_journal(tmp_path / "log").accepted
    assert len(answered) >= 300
    assert answered <= set(written)
    assert set(written.values()) == {1}
    assert len(written) <= len(answered) + 16, "at most what was in flight is written and not answered"


def test_a_journal_is_continued(tmp_path: Path) -> None:
    async def scene(url: str, attempt: str) -> None:
        async with closing(one := port(url)):
            await one.send(text(attempt))

    for n in range(2):
        with process(tmp_path / "log") as (_, url):
            asyncio.run(scene(url, f"a{n}"))
    assert len(read_journal(tmp_path / "log").accepted) == 2
