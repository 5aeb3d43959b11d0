"""The judge is shown to catch what it is for: senders as everybody writes them, against the real carrier over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from alerts.channels.ports import Rejected, Transient, Unknown
from alerts.channels.twilio_sms import TwilioSms
from alerts.sandbox.judge import Attempt, Ending, Facts, Judgement, Member, Terminal, judge, read_journal
from tests.sandbox.world import World, closing, play

PEOPLE = 60
B = "b1"
# A tenth of the numbers: the carrier takes the message and answers 500. Another tenth: it hangs up instead.
PLAN = {
    "rules": [
        {"receipts": "missing"},
        {"suffix": "3", "first": 1, "fault": "error_but_sent"},
        {"suffix": "7", "first": 1, "fault": "reset"},
    ],
    "reply_share": 0,
}


@dataclass
class Row:
    """One person's row in the naive table."""

    person: str
    number: str
    state: str = "queued"
    attempts: list[str] = field(default_factory=list)


def rows() -> list[Row]:
    return [Row(f"p{n}", f"+6281100{n:05}") for n in range(PEOPLE)]


async def claim_send_mark(w: World, port: TwilioSms, table: list[Row]) -> None:
    """Claim, send, mark; whatever did not end in "sent" is claimed again: the fault everybody makes."""
    while claimed := [row for row in table if row.state == "queued"]:
        for row in claimed:
            row.attempts.append(f"{row.person}-{len(row.attempts)}")
            try:
                await port.send(w.text(row.attempts[-1], row.number))
            except (Transient, Unknown):
                continue  # the claim expires, the row is queued again
            row.state = "sent"


async def drop_on_error(w: World, port: TwilioSms, table: list[Row]) -> None:
    """Takes rows off the list first; one bad row ends its batch, and the rest of the batch is never seen again."""
    left = list(table)
    while left:
        batch, left = left[:20], left[20:]
        try:
            for row in batch:
                row.attempts.append(f"{row.person}-0")
                await port.send(w.text(row.attempts[-1], row.number))
                row.state = "sent"
        except (Transient, Unknown, Rejected):
            continue


async def honest(w: World, port: TwilioSms, table: list[Row]) -> None:
    """One attempt each; what has no clear answer is unknown, and stays so until evidence comes."""
    for row in table:
        row.attempts.append(f"{row.person}-0")
        try:
            await port.send(w.text(row.attempts[-1], row.number))
            row.state = "sent"
        except Unknown:
            row.state = "unknown"
        except Rejected:
            row.state = "refused"


def verdict_on(sender: Callable[[World, TwilioSms, list[Row]], Awaitable[None]], log: Path, **changes: object) -> Judgement:
    table = rows()

    async def scene(w: World) -> None:
        async with closing(port := w.sms()):
            await sender(w, port, table)

    play(scene, log, plan=PLAN | changes)
    return judge(read_journal(log), facts_of(table))


def facts_of(table: list[Row]) -> Facts:
    return Facts(
        members=tuple(Member(B, row.person) for row in table),
        attempts=tuple(
            Attempt(name, B, row.person, "sms", number=n, is_unresolved=row.state == "unknown")
            for row in table
            for n, name in enumerate(row.attempts)
        ),
        endings=tuple(Ending(B, row.person, Terminal.REFUSED) for row in table if row.state == "refused"),
    )


def test_the_usual_sender_texts_people_twice(tmp_path: Path) -> None:
    verdict = verdict_on(claim_send_mark, tmp_path / "log")
    assert verdict.total.sent_twice == PEOPLE // 5
    assert verdict.total.missed == 0
    assert verdict.total.handed_over == PEOPLE


def test_a_sender_that_drops_rows_misses_people(tmp_path: Path) -> None:
    verdict = verdict_on(drop_on_error, tmp_path / "log")
    assert verdict.total.missed == PEOPLE - 3 * 4  # each batch of twenty ends at its fourth
    assert verdict.total.sent_twice == 0


def test_an_honest_sender_is_found_honest(tmp_path: Path) -> None:
    verdict = verdict_on(honest, tmp_path / "log")
    assert (verdict.total.sent_twice, verdict.total.missed, verdict.total.unknown) == (0, 0, 0)
    assert verdict.total.accepted_reads_unknown == PEOPLE // 5


def test_what_never_reached_the_carrier_stays_unknown_and_refusals_are_proven(tmp_path: Path) -> None:
    rules = [
        {"receipts": "missing"},
        {"suffix": "3", "fault": "reset_not_sent"},
        {"suffix": "5", "fault": "refuse", "code": "21610"},
    ]
    total = verdict_on(honest, tmp_path / "log", rules=rules).total
    assert (total.handed_over, total.unknown, total.unreachable, total.missed) == (PEOPLE - 12, 6, 6, 0)
    assert (total.sent_twice, total.unproven, total.accepted_reads_unknown) == (0, 0, 0)
