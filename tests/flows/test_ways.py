"""Every way in real processes: each person is tried by way after way until they answer. The carrier's log judges."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from sqlalchemy import text

from alerts.channels.country_rules import Known
from alerts.country_rules.actions import change_rule, claim_rule
from alerts.kit.actor import SYSTEM
from alerts.kit.db import begin, rows_of
from alerts.stage import get_json, load_register
from alerts.stage_ways import ALL_WAYS
from tests.support.stages import INCIDENT, TEXTS, Ministry, comes_to_rest, is_settled, running, wait_until

QUICK = {"SIAGA_DELIVERY_STEP_SECONDS": "2", "SIAGA_DELIVERY_RING_SECONDS": "0.25"}
PATIENCE_SECONDS = 180.0
# In the order in which a person is tried: channel, and which number.
EVERYTHING = ("push", "web_push", "sms 1", "sms 2", "whatsapp", "email", "voice 1", "voice 2")
KINDS: Mapping[str, tuple[str, ...]] = {
    "everything": EVERYTHING,
    "browser": ("web_push", "sms 1", "email", "voice 1"),
    "numbers": ("sms 1", "sms 2", "voice 1", "voice 2"),
    "app and mail": ("push", "email"),
    "mail": ("email",),
    "whatsapp": ("sms 1", "whatsapp", "voice 1"),
}
# The plan's word for each answer, and the way in the check-in that it becomes.
WORDS = {"push": "safe", "web_push": "safe", "email": "need_help", "sms 1": "AMAN", "whatsapp": "2", "voice 1": "51", "voice 2": "2"}
HEARD = {"push": "link", "web_push": "link", "email": "link", "sms": "sms", "whatsapp": "whatsapp", "voice": "voice"}
PREFIXES = {"1": "+60", "2": "+62"}
CODE = re.compile(r" (?:Kode|Code) (\w+)(?= http|$)")
"""At the end of a text; WhatsApp's template has its link after it."""
UNSURE = ("sms", "whatsapp", "voice")


@dataclass(frozen=True)
class Person:
    """Somebody invented. `answers`: by which way, if by any. `numbers`: instead of a Malaysian and an Indonesian one."""

    number: int
    ways: Sequence[str]
    answers: str | None = None
    numbers: Sequence[str] = ()

    @property
    def external_id(self) -> str:
        return f"w{self.number:04}"

    def row(self) -> dict[str, str]:
        """Their line in the register. Whatever address it is, it ends in their number."""
        tail = f"{self.number:04}"
        phones = self.numbers or (f"+6012300{tail}", f"+628123000{tail}")
        has_second = any(way.endswith(" 2") for way in self.ways)
        has_first = any(way.endswith(" 1") for way in self.ways)
        return {
            "external_id": self.external_id,
            "name": f"Orang {self.number}",
            "phone": phones[0] if has_first else "",
            "phone2": phones[1] if has_second else "",
            "language": "en" if self.number % 3 == 0 else "id",
            "country": "TR",
            "province": "TR-31",
            "device_token": f"device-of-{tail}" if "push" in self.ways else "",
            "email": f"orang{tail}@example.org" if "email" in self.ways else "",
            "wants_whatsapp": "yes" if "whatsapp" in self.ways else "",
        }

    def rule(self) -> dict[str, str] | None:
        """How the sandbox's plan has them answer."""
        if self.answers is None:
            return None
        channel, _, number = self.answers.partition(" ")
        return {"channel": channel, "prefix": PREFIXES.get(number, ""), "suffix": f"{self.number:04}", "reply": WORDS[self.answers]}


def invent() -> list[Person]:
    """Of each kind one who answers by each of their ways, and one who never does; and some whom few ways reach."""
    wanted = [(kind, way) for kind, ways in KINDS.items() for way in (*(way for way in ways if way in WORDS), None)]
    people = [Person(100 + place, KINDS[kind], way) for place, (kind, way) in enumerate(wanted)]
    after = 100 + len(people)
    return [
        *people,
        # Texts to Syria go by the second provider alone.
        *(Person(after + n, ("sms 1", "voice 1"), numbers=(f"+96393300{after + n:04}",)) for n in range(2)),
        Person(after + 2, ("sms 1", "email", "voice 1"), "email", numbers=(f"+96393300{after + 2:04}",)),
        Person(after + 3, ()),
    ]


def test_each_person_is_tried_by_way_after_way_until_they_answer() -> None:
    people = invent()
    unsure = [person for person in people if person.ways == KINDS["whatsapp"] and person.answers is None]
    with running(people=0, plan=plan_for(people, unsure), overrides=QUICK, ways=ALL_WAYS) as ministry:
        enter(ministry, people)
        incident = ministry.done("POST", "/api/v1/incidents", INCIDENT)
        sent = ministry.alert(incident["id"])
        assert sent["audience_count"] == len(people)
        wait_until(lambda: not whoever_is_still_tried(ministry, people), seconds=PATIENCE_SECONDS)
        wait_until(lambda: is_settled(ministry.stage) and is_quiet(ministry), seconds=PATIENCE_SECONDS)

        tried = tries(ministry)
        for person in people:
            check_person(person, tried[person.external_id])
        check_log(ministry, people)
        check_evidence(ministry, unsure)
        check_code(ministry, sent["id"])
        reach = ministry.reach(sent["id"])
        assert (reach["frozen"], reach["unreachable"], reach["unknown"], reach["in_progress"]) == (len(people), 1, 0, 0)
        assert reach["answered"] == sum(person.answers is not None for person in people)
        comes_to_rest(ministry.stage)


def plan_for(people: Sequence[Person], unsure: Sequence[Person]) -> dict[str, Any]:
    """Nobody answers but as it is written; for the unsure every number's door takes the message and says nothing of it."""
    rules: list[dict[str, Any]] = [rule for person in people if (rule := person.rule())]
    for person in unsure:
        tail = f"{person.number:04}"
        rules.append({"channel": list(UNSURE), "suffix": tail, "first": 1, "fault": "error_but_sent", "receipts": "missing"})
    shares = {"reply_share": 0, "app_share": 0, "key_share": 0}
    return shares | {"rules": rules, "reply_seconds": [0.1, 0.4], "receipt_seconds": [0.05, 0.2]}


def enter(ministry: Ministry, people: Sequence[Person]) -> None:
    """Into the register: from a file, browsers by the interface as a page does it; and a rule that makes the second provider known."""
    stage = ministry.stage
    load_register(stage.settings, stage.sessions, write(stage.folder / "register.csv", people))
    with begin(stage.sessions) as session:
        rule = claim_rule(session, ("lintas", "sms", "SY"))
        change_rule(session, actor=SYSTEM, rule=rule, values={"outbound": Known.YES, "source": "the contract with the provider"})
    ids = {row["external_id"]: row["id"] for row in read(ministry, "SELECT external_id, id FROM citizen")}
    for person in people:
        if "web_push" in person.ways:
            given = get_json(f"{stage.carrier_url}/sandbox/browsers/browser-of-{person.number:04}") or {}
            body = {"endpoint": given["endpoint"], "keys": given["keys"]}
            ministry.done("POST", f"/api/v1/citizens/{ids[person.external_id]}/browsers", body)


def write(path: Path, people: Sequence[Person]) -> Path:
    rows = [person.row() for person in people]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def whoever_is_still_tried(ministry: Ministry, people: Sequence[Person]) -> list[str]:
    """Those who should answer and have not, and those who never do and have a way left."""
    tried = tries(ministry)
    waiting = [p for p in people if p.answers and not any(each["answered_at"] for each in tried[p.external_id])]
    return [p.external_id for p in (*waiting, *(p for p in people if not p.answers and len(tried[p.external_id]) < max(1, len(p.ways))))]


def check_person(person: Person, tried: Sequence[Mapping[str, Any]]) -> None:
    """By their ways in order, none left out; and no handing-over begins once the answer is written down."""
    expected = [way.partition(" ")[0] for way in person.ways] or ["none"]
    assert [each["channel"] for each in tried] == expected[: len(tried)], person
    if person.answers is None:
        assert len(tried) == len(expected), person
        return
    assert len(tried) > person.ways.index(person.answers), person
    channel = person.answers.partition(" ")[0]
    assert {each["heard"] for each in tried} == {HEARD[channel]}, person
    answered_at = min(each["answered_at"] for each in tried if each["answered_at"])
    later = [each["began_at"] for each in tried if each["began_at"] and each["began_at"] > answered_at]
    assert all((began_at - answered_at).total_seconds() < 2 for began_at in later), person


def check_log(ministry: Ministry, people: Sequence[Person]) -> None:
    """What the carrier wrote down: everybody once per step, by every door, and no step by two providers."""
    judged = ministry.stage.judge()
    total = judged["total"]
    assert (total["missed"], total["sent_twice"], total["unknown"]) == (0, 0, 0), judged
    assert (total["accepted_reads_unknown"], total["outsiders"], total["unproven"]) == (0, 0, 0), judged
    assert (total["handed_over"], total["unreachable"]) == (len(people) - 1, 1)
    lines = [json.loads(line) for line in ministry.stage.log_path.read_text().splitlines()]
    doors = defaultdict(set)
    for line in lines:
        if line["kind"] == "accepted":
            doors[line["attempt"].partition("-")[0]].add(line["channel"])
    assert set().union(*doors.values()) == {"push", "web_push", "sms", "sms2", "whatsapp", "email", "voice"}
    assert all(len(channels) == 1 for channels in doors.values()), "no step by two doors"


def check_evidence(ministry: Ministry, unsure: Sequence[Person]) -> None:
    """Receipts in every dialect moved states, and what no receipt came for was looked up."""
    rows = read(ministry, "SELECT DISTINCT d.channel, a.sender, d.state FROM delivery d JOIN attempt a ON a.delivery_id = d.id")
    delivered = {row["sender"] for row in rows if row["state"] == "delivered"}
    assert delivered >= {"twilio", "lintas", "whatsapp", "voice"}
    assert {row["state"] for row in rows if row["channel"] in ("push", "web_push", "email")} == {"accepted"}
    found = read(ministry, LOOKED_UP, unsure=[person.external_id for person in unsure])
    assert {row["channel"]: row["n"] for row in found} == dict.fromkeys(UNSURE, len(unsure))


def check_code(ministry: Ministry, broadcast_id: str) -> None:
    """Every text that the carrier has names the message's code, by which the public page tells anybody that it is ours."""
    stage = ministry.stage
    account, token = (stage.environment[f"SIAGA_TWILIO_{name}"] for name in ("ACCOUNT_SID", "AUTH_TOKEN"))
    basic = b64encode(f"{account}:{token}".encode()).decode()
    listed = get_json(f"{stage.carrier_url}/2010-04-01/Accounts/{account}/Messages.json", {"Authorization": f"Basic {basic}"}) or {}
    texts = [message["body"] for message in listed["messages"] if message["body"].startswith(tuple(TEXTS.values()))]
    [code] = {CODE.findall(text)[-1] for text in texts}
    [row] = read(ministry, "SELECT alert_code FROM broadcast WHERE id = :id", id=broadcast_id)
    assert code == row["alert_code"]
    with urlopen(f"{stage.url}/public/a?lang=id&code={code.upper()}") as page:
        assert "Ya, pesan ini dari kami." in page.read().decode()


def is_quiet(ministry: Ministry) -> bool:
    """The carrier has posted everything, and every receipt is read."""
    unread = read(ministry, "SELECT 1 FROM receipt WHERE applied_at IS NULL UNION ALL SELECT 1 FROM attempt WHERE state = 'unknown'")
    return ministry.stage.carrier_stats().get("pending") == 0 and not unread


def tries(ministry: Ministry) -> dict[str, list[Mapping[str, Any]]]:
    """Each person's deliveries in order, with when their first handing-over began and by what way the person was heard."""
    found = defaultdict(list)
    for row in read(ministry, TRIES):
        found[row["external_id"]].append(row)
    return found


def read(ministry: Ministry, query: str, **values: Any) -> list[dict[str, Any]]:
    with begin(ministry.stage.sessions) as session:
        return rows_of(session.execute(text(query), values))


TRIES = """
SELECT c.external_id, d.channel, d.state, d.answered_at, h.channel AS heard,
    (SELECT max(a.intent_at) FROM attempt a WHERE a.delivery_id = d.id) AS began_at
FROM delivery d JOIN audience_member m ON m.id = d.member_id JOIN citizen c ON c.id = m.citizen_id
LEFT JOIN checkin h ON h.citizen_id = c.id
ORDER BY d.id
"""

LOOKED_UP = """
SELECT a.channel, count(*) AS n FROM attempt a JOIN delivery d ON d.id = a.delivery_id JOIN audience_member m ON m.id = d.member_id
JOIN citizen c ON c.id = m.citizen_id WHERE a.evidence = 'lookup' AND c.external_id = ANY (:unsure) GROUP BY 1
"""
