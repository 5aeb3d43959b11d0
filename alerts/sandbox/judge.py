"""Who was texted, who was texted twice, who was missed: counted from the carrier's journal, not from our own tables.

The caller exports from its database what was frozen, which attempts it made and whom it gave up on. Whether anything
was sent, only the carrier's lines say. Nothing of the delivery code is used here.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

LIST_LIMIT = 20


class Terminal(StrEnum):
    """Why a person got nothing and will get nothing.

    The first five are `unreachable`, the next three `left_out` (they need nothing, or are not there to get it), the last two no excuse.
    """

    NO_ADDRESS = "no_address"
    OPTED_OUT = "opted_out"
    REFUSED = "refused"
    UNSERVED = "unserved"
    DEAD = "dead"
    ANSWERED = "answered"
    DIED = "died"
    MERGED = "merged"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


# Claims that the carrier's own line has to prove.
TO_PROVE = frozenset({Terminal.REFUSED, Terminal.DEAD})
UNREACHABLE = frozenset({Terminal.NO_ADDRESS, Terminal.OPTED_OUT, Terminal.REFUSED, Terminal.UNSERVED, Terminal.DEAD})
LEFT_OUT = frozenset({Terminal.ANSWERED, Terminal.DIED, Terminal.MERGED})
# Acceptances that belong to no alert: messages to staff, and our replies to what citizens wrote.
NOTICE = re.compile(r"n[0-9a-f]{32}-[0-9]+")
REPLY = re.compile(r"reply-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]+")


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the frozen audience of a broadcast (all waves of it)."""

    broadcast: str
    person: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One handing-over that we began. `step` is the channel step; `resend_of` an attempt that was resent with permission.

    `number` orders the attempts of a person; `is_unresolved`: our tables do not know whether it was sent.
    `is_restored`: nobody remembers it; after a backup was restored it was written down because it may have happened.
    """

    attempt: str
    broadcast: str
    person: str
    step: str
    number: int = 0
    resend_of: str | None = None
    is_unresolved: bool = False
    is_restored: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """A terminal fact: this person of this broadcast will get nothing, and why."""

    broadcast: str
    person: str
    reason: Terminal


@dataclass(frozen=True, slots=True)
class Facts:
    """What the caller exports. `no_resend`: broadcasts whose approval forbids to resend what is unknown.

    `windows`: the attempts that lie in any committed window, open or closed.
    """

    members: tuple[Member, ...]
    attempts: tuple[Attempt, ...] = ()
    endings: tuple[Ending, ...] = ()
    no_resend: frozenset[str] = frozenset()
    windows: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Journal:
    """What the carrier wrote: acceptances per attempt id, permanent refusals, final receipts, answers taken."""

    accepted: Mapping[str, int]
    refused: frozenset[str] = frozenset()
    delivered: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    undelivered: frozenset[str] = frozenset()
    has_torn_line: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """One broadcast, or all: frozen = handed_over + unknown + unreachable + left_out + missed, each person in the first that fits.

    `sent_twice` and `resent` count (person, step) pairs. `accepted_reads_unknown`: the carrier took it, our tables do
    not know. `outsiders`: persons texted though not frozen. `unproven`: refusals that we claim and the carrier does
    not know of.
    """

    frozen: int = 0
    handed_over: int = 0
    unknown: int = 0
    unreachable: int = 0
    left_out: int = 0
    missed: int = 0
    sent_twice: int = 0
    resent: int = 0
    delivered: int = 0
    answered: int = 0
    accepted_reads_unknown: int = 0
    outsiders: int = 0
    unproven: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Counts in all and per broadcast. `strays`: acceptances whose attempt nobody exported, and that no notice or reply explains.

    `notices`, `replies`: acceptances of messages to staff and of replies to citizens, which are no alerts; `told_twice`:
    attempts of these that were accepted more than once.
    `unknown_outside_windows`: unresolved attempts that no window's log explains; an honest sender has none.
    `missed_why` and `left_out_why` say what the tables claim of these people; the lists name the first few of each kind, by id.
    """

    total: Count
    by_broadcast: Mapping[str, Count]
    strays: int
    notices: int = 0
    replies: int = 0
    told_twice: int = 0
    unknown_outside_windows: int = 0
    missed_why: Mapping[str, int] = field(default_factory=dict)
    left_out_why: Mapping[str, int] = field(default_factory=dict)
    missed: tuple[str, ...] = ()
    sent_twice: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(journal: Journal, facts: Facts) -> Judgement:
    """The verdict. Pure: the same journal and facts, the same counts."""
    names = {m.broadcast for m in facts.members} | {a.broadcast for a in facts.attempts}
    by_broadcast = {name: _Broadcast(name, journal, facts) for name in sorted(names)}
    counts = {name: one.count() for name, one in by_broadcast.items()}
    known = {a.attempt for a in facts.attempts}
    others = {attempt: n for attempt, n in journal.accepted.items() if attempt not in known}
    notices, replies = ({a: n for a, n in others.items() if form.fullmatch(a)} for form in (NOTICE, REPLY))
    why = Counter(reason for one in by_broadcast.values() for reason in one.missed.values())
    why_left_out = Counter(reason for one in by_broadcast.values() for reason in one.left_out.values())
    return Judgement(
        total=_sum(counts.values()),
        by_broadcast=counts,
        strays=sum(n for attempt, n in others.items() if attempt not in notices and attempt not in replies),
        notices=sum(notices.values()),
        replies=sum(replies.values()),
        told_twice=sum(n > 1 for n in (*notices.values(), *replies.values())),
        unknown_outside_windows=sum(a.is_unresolved and not a.is_restored and a.attempt not in facts.windows for a in facts.attempts),
        missed_why=dict(sorted(why.items())),
        left_out_why=dict(sorted(why_left_out.items())),
        missed=_first(f"{b}/{p}" for b, one in by_broadcast.items() for p in one.missed),
        sent_twice=_first(f"{b}/{p}/{step}" for b, one in by_broadcast.items() for p, step in one.twice),
    )


def read_journal(path: Path) -> Journal:
    """Read the carrier's lines. A last line cut short by a kill was never answered, and counts as nothing."""
    accepted: Counter[str] = Counter()
    sets: dict[str, set[str]] = defaultdict(set)
    *whole, last = path.read_bytes().split(b"\n")
    for raw in whole:
        line = json.loads(raw)
        kind, attempt = line["kind"], line["attempt"]
        if kind == "accepted":
            accepted[attempt] += 1
        elif kind == "receipt":
            sets[line["status"]].add(attempt)
        else:
            sets[kind].add(attempt)
    return Journal(
        accepted=dict(accepted),
        refused=frozenset(sets["refused"]),
        delivered=frozenset(sets["delivered"]),
        answered=frozenset(sets["answer"]),
        undelivered=frozenset(sets["undelivered"]),
        has_torn_line=bool(last),
    )


def read_facts(path: Path) -> Facts:
    """Read an export from a file."""
    return facts_of(json.loads(path.read_text(encoding="utf-8")))


def facts_of(value: Mapping[str, Any]) -> Facts:
    """An export: `members`, `attempts`, `endings`, `no_resend` and `windows`, in the form that docs/judge.md describes."""
    return Facts(
        members=tuple(Member(**m) for m in value["members"]),
        attempts=tuple(Attempt(**a) for a in value.get("attempts", ())),
        endings=tuple(Ending(e["broadcast"], e["person"], Terminal(e["reason"])) for e in value.get("endings", ())),
        no_resend=frozenset(value.get("no_resend", ())),
        windows=frozenset(attempt for window in value.get("windows", ()) for attempt in window["attempts"]),
    )


def judge_files(log: Path, facts: Path) -> dict[str, Any]:
    """The verdict on a journal and an export, as plain JSON."""
    return judge(read_journal(log), read_facts(facts)).as_json()


def broken_promises(verdict: Mapping[str, Any]) -> dict[str, int]:
    """What must be 0 in every run and is not, of a verdict as plain JSON. `unknown` is for whoever knows what was killed."""
    told = {name: verdict["total"][name] for name in MUST_BE_0} | {name: verdict[name] for name in MUST_BE_0_IN_ALL}
    return {name: count for name, count in told.items() if count}


MUST_BE_0 = ("missed", "sent_twice", "accepted_reads_unknown", "outsiders", "unproven")
MUST_BE_0_IN_ALL = ("strays", "told_twice", "unknown_outside_windows")


class _Broadcast:
    """The counting of one broadcast."""

    def __init__(self, broadcast: str, journal: Journal, facts: Facts) -> None:
        self._journal = journal
        self._may_resend = broadcast not in facts.no_resend
        self._members = sorted({m.person for m in facts.members if m.broadcast == broadcast})
        self._attempts = sorted((a for a in facts.attempts if a.broadcast == broadcast), key=lambda a: a.number)
        self._endings = {e.person: e.reason for e in facts.endings if e.broadcast == broadcast}
        self._last = {a.person: a for a in self._attempts}
        self._texted = self._persons(journal.accepted)
        self._refused = self._persons(journal.refused)
        self.missed: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.twice: list[tuple[str, str]] = []

    def count(self) -> Count:
        kinds = Counter(self._kind(person) for person in self._members)
        pairs, members = self._pairs(), set(self._members)
        return Count(
            frozen=len(self._members),
            handed_over=kinds["handed_over"],
            unknown=kinds["unknown"],
            unreachable=kinds["unreachable"],
            left_out=kinds["left_out"],
            missed=kinds["missed"],
            sent_twice=pairs["sent_twice"],
            resent=pairs["resent"],
            delivered=len(members & self._persons(self._journal.delivered)),
            answered=len(members & self._persons(self._journal.answered)),
            accepted_reads_unknown=sum(a.is_unresolved and a.attempt in self._journal.accepted for a in self._attempts),
            outsiders=len(self._texted - members),
            unproven=sum(self._is_unproven(person) for person in self._members),
        )

    def _kind(self, person: str) -> str:
        """The first that fits, in the order of the definition."""
        if person in self._texted:
            return "handed_over"
        last = self._last.get(person)
        if last is not None and last.is_unresolved:
            return "unknown"
        ending = self._endings.get(person)
        if ending in UNREACHABLE and not self._is_unproven(person):
            return "unreachable"
        if ending in LEFT_OUT:
            self.left_out[person] = str(ending)
            return "left_out"
        self.missed[person] = "refusal not proven" if ending in TO_PROVE else str(ending or "no reason given")
        return "missed"

    def _is_unproven(self, person: str) -> bool:
        """A claimed refusal counts only if the carrier wrote that it refused."""
        return self._endings.get(person) in TO_PROVE and person not in self._refused and person not in self._texted

    def _pairs(self) -> Counter[str]:
        by_pair: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
        for attempt in self._attempts:
            by_pair[attempt.person, attempt.step].append(attempt)
        counts: Counter[str] = Counter()
        for pair, attempts in by_pair.items():
            acceptances = sum(self._journal.accepted.get(a.attempt, 0) for a in attempts)
            excess = acceptances - 1 - self._permitted(attempts)
            if excess > 0:
                counts["sent_twice"] += 1
                self.twice.append(pair)
            elif acceptances > 1:
                counts["resent"] += 1
        return counts

    def _permitted(self, attempts: Collection[Attempt]) -> int:
        """Accepted resends that the approval covers: of an attempt of this very step, one per original, none of a resend.

        What the carrier itself called undelivered needs no approval.
        """
        originals = {a.attempt for a in attempts if a.resend_of is None}
        originals = originals if self._may_resend else originals & self._journal.undelivered
        return len({a.resend_of for a in attempts if a.resend_of in originals and self._journal.accepted.get(a.attempt)})

    def _persons(self, attempts: Collection[str]) -> set[str]:
        return {a.person for a in self._attempts if a.attempt in attempts}


def _sum(counts: Iterable[Count]) -> Count:
    rows = list(counts)
    return Count(**{f.name: sum(getattr(row, f.name) for row in rows) for f in fields(Count)})


def _first(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in zip(names, range(LIST_LIMIT), strict=False))
