"""The invented register: what the crisis file asks for, repeatable, and importable."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import phonenumbers
import pytest
from sqlalchemy.orm import Session

from alerts.broadcasts.audience import gather, preview_selected
from alerts.citizens.actions import import_citizens
from alerts.citizens.queries import in_areas
from alerts.incidents.rules import Status
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.places import AreaSpec
from alerts.story.register import FAULT_PREFIX, UNUSABLE, Group, RegisterPlan, register_bytes
from tests.factories.senders import senders

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
QUAKE_PROVINCES = ("TR-01", "TR-02", "TR-21", "TR-27", "TR-31", "TR-44", "TR-46", "TR-63", "TR-79", "TR-80")

Rows = Sequence[Mapping[str, Any]]


def plan(**changes: object) -> RegisterPlan:
    values: dict[str, object] = {
        "seed": 7,
        "groups": [Group("LB", 200, "LB-BA"), Group("LB", 40), Group("JO", 60)],
        "classes": {"resident": 8, "traveller": 2},
        "languages": {"id": 9, "en": 1},
        "number_countries": {"LB": {"ID": 1, "LB": 1}, "JO": {"JO": 1}},
        "invalid_numbers": 0.05,
        "second_numbers": 0.2,
        "opted_out": 0.05,
        "duplicates": 0.05,
        "without_point": 0.4,
    }
    return RegisterPlan(**(values | changes))  # type: ignore[arg-type]


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def turkiye() -> RegisterPlan:
    part = json.loads(files("alerts.story").joinpath("data", "turkiye_2023.json").read_text(encoding="utf-8"))["register"]
    return RegisterPlan.from_json(part)


def test_the_same_seed_and_moment_give_the_same_bytes_and_another_seed_does_not() -> None:
    assert register_bytes(plan(), as_of=NOW) == register_bytes(plan(), as_of=NOW)
    assert register_bytes(plan(), as_of=NOW)[0] != register_bytes(plan(seed=8), as_of=NOW)[0]


def test_people_are_where_the_plan_puts_them() -> None:
    content, summary = register_bytes(plan(), as_of=NOW)
    unique = {row["external_id"]: row for row in rows_of(content)}
    assert len(unique) == summary.people == 300
    assert summary.by_country == {"LB": 240, "JO": 60}
    assert Counter((row["country"], row["province"]) for row in unique.values()) == {("LB", "LB-BA"): 200, ("LB", ""): 40, ("JO", ""): 60}
    assert all(not row["lat"] for row in unique.values() if not row["province"])


def test_numbers_are_callable_in_form_and_collide_only_on_purpose() -> None:
    content, summary = register_bytes(plan(), as_of=NOW)
    unique = {row["external_id"]: row for row in rows_of(content)}
    numbers = [row[name] for row in unique.values() for name in ("phone", "phone2") if row[name] and row[name] not in UNUSABLE]
    for number in numbers:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed)
        assert phonenumbers.region_code_for_number(parsed) in {"ID", "LB", "JO"}
        assert not number[-7:].startswith(FAULT_PREFIX)
    assert len(numbers) - len(set(numbers)) == summary.shared_numbers > 0


def test_planned_faults_are_put_on_so_many_numbers() -> None:
    content, _ = register_bytes(plan(faults={"9990429": 3, "9990004": 2}, number_countries={"LB": {"ID": 1}, "JO": {"TR": 1}}), as_of=NOW)
    endings = Counter(row["phone"][-7:] for row in {row["external_id"]: row for row in rows_of(content)}.values())
    assert (endings["9990429"], endings["9990004"]) == (3, 2)


def test_a_country_without_mobile_numbers_is_an_error() -> None:
    with pytest.raises(ValueError, match="AQ"):
        register_bytes(plan(number_countries={"LB": {"AQ": 1}, "JO": {"AQ": 1}}), as_of=NOW)


def test_the_import_understands_every_row_as_it_was_meant(session: Session, keyring: Keyring) -> None:
    content, summary = register_bytes(plan(), as_of=datetime.now(UTC))
    run, _ = import_citizens(session, keyring, file=io.BytesIO(content), actor=SYSTEM)
    assert (run.counts["created"], run.counts["rejected"], run.counts["warnings"]) == (300, summary.repeated_ids, summary.unusable_numbers)
    _, rows = counted(session, [AreaSpec.country("LB"), AreaSpec.country("JO")])
    assert people(rows, unreachable="opted_out") <= summary.opted_out
    assert people(rows, channel="push") <= summary.with_live_device


def test_the_register_of_the_demo(session: Session, keyring: Keyring) -> None:
    content, summary = register_bytes(turkiye(), as_of=datetime.now(UTC))
    assert summary.by_country["TR"] >= 6500
    assert 200 <= summary.by_country["SY"] < 1000
    run, _ = import_citizens(session, keyring, file=io.BytesIO(content), actor=SYSTEM)
    assert run.counts["created"] == summary.people
    total, by_number = counted(session, [AreaSpec.country("TR"), AreaSpec.country("SY")], "sms")
    shares = {country: people(by_number, number_country=country) / total for country in ("ID", "TR", "MY", "SY")}
    assert 0.35 < shares["ID"] < 0.55
    assert 0.35 < shares["TR"] < 0.55
    assert 0.07 < shares["MY"] < 0.13
    assert shares["SY"] > 0.01
    _, rows = counted(session, [AreaSpec.country("TR"), AreaSpec.country("SY")])
    assert 0.45 < people(rows, channel="push") / total < 0.55
    provinces, _ = counted(session, [AreaSpec.province(code) for code in QUAKE_PROVINCES])
    assert 450 <= provinces <= 520


def counted(session: Session, areas: Sequence[AreaSpec], *channels: str) -> tuple[int, Rows]:
    """Who is there, and by which way each is reached (by push and SMS, unless told otherwise)."""
    total = gather(session, in_areas(session, areas), status=Status.ACTUAL)
    return total, preview_selected(session, senders(*channels).live).rows


def people(rows: Rows, **where: str) -> int:
    return sum(row["people"] for row in rows if all(row[name] == value for name, value in where.items()))


def test_ways_are_added_to_the_same_people() -> None:
    before, _ = register_bytes(plan(), as_of=NOW)
    after, _ = register_bytes(plan(browsers=0.2, emails=0.3, whatsapp=0.1), as_of=NOW)
    ways = ("email", "wants_whatsapp", "browser_id")
    assert [row for row in rows_of(before) if any(row[way] for way in ways)] == []
    assert [{k: v for k, v in row.items() if k not in ways} for row in rows_of(after)] == [
        {k: v for k, v in row.items() if k not in ways} for row in rows_of(before)
    ]
    people = {row["external_id"]: row for row in rows_of(after)}.values()
    shares = [sum(bool(row[way]) for row in people) / len(people) for way in ways]
    assert shares == pytest.approx([0.3, 0.1, 0.2], abs=0.08)
    assert len({row["browser_id"] for row in people}) == 1 + sum(bool(row["browser_id"]) for row in people)
    assert not any(row["wants_whatsapp"] for row in people if row["phone"] in UNUSABLE)
