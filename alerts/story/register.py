"""Invents a register: a CSV of people who do not exist, for demos, benches and tests.

Everything about where they are and what they carry comes from the `register` part of a crisis file; the same
part, seed and moment give the same bytes. Names are put together from syllables and common given names. Numbers
have a form that their country gives out, and never end in what the sandbox carrier takes for a planned fault,
unless the file asks for some.
"""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

import phonenumbers

from alerts.places import Province, find_province

COLUMNS = (  # noqa: SIM905 - one word after another is easier to read and to change
    "external_id name phone phone2 language class country province lat lon place_as_of stay_from stay_until opted_out"
    " device_token device_seen_at email wants_whatsapp browser_id"
).split()
GIVEN = (  # noqa: SIM905
    "Adi Agus Andi Ayu Bagas Bayu Citra Dewi Dian Eka Endah Fajar Fitri Galih Hana Hendra Indah Intan Joko Kartika Lestari"
    " Maya Nanda Nur Putri Rahmat Ratna Rizki Sari Slamet Siti Teguh Tri Umar Wahyu Wati Yani Yoga Yusuf Zahra"
).split()
SYLLABLES = "ba da di gu ha ja ka la lu ma mi na ni pa ra ri sa se si su ta ti wa wi ya yu".split()  # noqa: SIM905
ENDINGS = "wan wati to tika man ni rto na dra sih ti mbang rno yat".split()  # noqa: SIM905
# The last digits that the sandbox carrier may take for a plan; the crisis file's own `faults` use them on purpose.
RANDOM_DIGITS = 7
FAULT_PREFIX = "999"
UNUSABLE = ("12345", "+62 000", "tidak ada", "0812", "1234567890123456789", "+90 000 000 00 00")
STALE_DEVICES = 0.04
ENDED_STAYS = 0.05
TOWN_SPREAD_DEGREES = 0.12
OLDEST_PLACE_DAYS = 900


@dataclass(frozen=True, slots=True)
class Group:
    """So many people in one province, or somewhere in a country."""

    country: str
    people: int
    province: str | None = None


@dataclass(frozen=True, slots=True)
class RegisterPlan:
    """The `register` part of a crisis file. Shares are 0 to 1; weights of one mapping need not sum to 1.

    `browsers`, `emails`, `whatsapp`: how many of the people read alerts there (WhatsApp: of those with a usable number).
    """

    seed: int
    groups: Sequence[Group]
    classes: Mapping[str, float]
    languages: Mapping[str, float]
    number_countries: Mapping[str, Mapping[str, float]]
    live_devices: float = 0.5
    second_numbers: float = 0.0
    invalid_numbers: float = 0.0
    opted_out: float = 0.0
    duplicates: float = 0.0
    without_point: float = 1.0
    browsers: float = 0.0
    emails: float = 0.0
    whatsapp: float = 0.0
    faults: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, part: Mapping[str, Any]) -> RegisterPlan:
        """Of a parsed crisis file. Raises TypeError for a name that is not ours."""
        groups = [Group(**group) for group in part["groups"]]
        return cls(**{**part, "groups": groups})

    @property
    def people(self) -> int:
        return sum(group.people for group in self.groups)


@dataclass(frozen=True, slots=True)
class RegisterSummary:
    """What was written, to compare an import with. Rows are more than people: some ids stand twice."""

    rows: int
    people: int
    by_country: Mapping[str, int]
    repeated_ids: int
    shared_numbers: int
    unusable_numbers: int
    opted_out: int
    with_live_device: int


Row = dict[str, str]


def write_register(file: IO[str], plan: RegisterPlan, *, as_of: datetime) -> RegisterSummary:
    """Write the CSV; `as_of` is the moment at which devices were last seen and travellers are there."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    inventor = _Inventor(plan, as_of)
    rows = 0
    for row in inventor.rows():
        writer.writerow(row)
        rows += 1
    counts = inventor.counts
    return RegisterSummary(
        rows=rows,
        people=plan.people,
        by_country=dict(inventor.by_country),
        repeated_ids=counts["repeated_ids"],
        shared_numbers=counts["shared_numbers"],
        unusable_numbers=counts["unusable_numbers"],
        opted_out=counts["opted_out"],
        with_live_device=counts["with_live_device"],
    )


def register_bytes(plan: RegisterPlan, *, as_of: datetime) -> tuple[bytes, RegisterSummary]:
    """The CSV as it is uploaded."""
    file = io.StringIO(newline="")
    summary = write_register(file, plan, as_of=as_of)
    return file.getvalue().encode(), summary


class _Inventor:
    def __init__(self, plan: RegisterPlan, as_of: datetime) -> None:
        self._plan, self._as_of = plan, as_of
        self._random = random.Random(plan.seed)  # noqa: S311 - invented people, repeatable on purpose
        # Of its own, so that a plan without these ways gives the same people as before there were any.
        self._of_ways = random.Random(f"{plan.seed} ways")  # noqa: S311
        self._numbers = _Numbers(self._random)
        self._faults = [suffix for suffix, count in sorted(plan.faults.items()) for _ in range(count)]
        self.counts: Counter[str] = Counter()
        self.by_country: Counter[str] = Counter()

    def rows(self) -> Iterator[Row]:
        """People in mixed order, so that no progress bar meets one province after the other."""
        places = [group for group in self._plan.groups for _ in range(group.people)]
        self._random.shuffle(places)
        previous: Row | None = None
        for number, group in enumerate(places, start=1):
            row = self._person(number, group)
            if previous is not None and self._chance(self._plan.duplicates):
                yield from self._doubles(row, previous)
            else:
                yield row
            previous = row
            self.by_country[group.country] += 1

    def _doubles(self, row: Row, previous: Row) -> Iterator[Row]:
        """By turns: the same id twice with another spelling, and the same number on two people."""
        is_usable = not {row["phone"], previous["phone"]} & set(UNUSABLE)
        if not is_usable or self.counts["repeated_ids"] <= self.counts["shared_numbers"]:
            self.counts["repeated_ids"] += 1
            yield row
            yield row | {"name": row["name"].upper()}
        else:
            self.counts["shared_numbers"] += 1
            yield row | {"phone": previous["phone"]}

    def _person(self, number: int, group: Group) -> Row:
        row = dict.fromkeys(COLUMNS, "")
        row["external_id"] = f"{group.country}-{self._plan.seed % 10_000:04}-{number:06}"
        row["name"] = self._name()
        row["language"] = self._pick(self._plan.languages)
        row["class"] = self._pick(self._plan.classes)
        row |= {"country": group.country, "province": group.province or ""}
        row["place_as_of"] = self._before(OLDEST_PLACE_DAYS)
        self._add_point(row, find_province(group.province or ""))
        self._add_numbers(row)
        self._add_device(row, number)
        self._add_ways(row, number)
        if row["class"] == "traveller":
            self._add_stay(row)
        if self._chance(self._plan.opted_out):
            row["opted_out"] = "yes"
            self.counts["opted_out"] += 1
        return row

    def _name(self) -> str:
        family = "".join(self._random.choices(SYLLABLES, k=self._random.randint(1, 2))) + self._random.choice(ENDINGS)
        return f"{self._random.choice(GIVEN)} {self._random.choice(GIVEN)} {family.title()}"

    def _add_point(self, row: Row, province: Province | None) -> None:
        if province is None or self._chance(self._plan.without_point):
            return
        row["lat"] = f"{self._random.gauss(province.lat, TOWN_SPREAD_DEGREES):.5f}"
        row["lon"] = f"{self._random.gauss(province.lon, TOWN_SPREAD_DEGREES):.5f}"

    def _add_numbers(self, row: Row) -> None:
        weights = self._plan.number_countries[row["country"]]
        if self._chance(self._plan.invalid_numbers):
            row["phone"] = self._random.choice(UNUSABLE)
            self.counts["unusable_numbers"] += 1
            return
        first = self._pick(weights)
        row["phone"] = self._numbers.new(first, self._faults.pop() if self._faults else None)
        others = {country: weight for country, weight in weights.items() if country != first}
        if others and self._chance(self._plan.second_numbers):
            row["phone2"] = self._numbers.new(self._pick(others))

    def _add_device(self, row: Row, number: int) -> None:
        is_live = self._chance(self._plan.live_devices)
        if not is_live and not self._chance(STALE_DEVICES):
            return
        token = f"{self._random.getrandbits(96):024x}"
        row["device_token"] = f"device-{number}-{token}"
        days = self._random.uniform(0, 20) if is_live else self._random.uniform(200, 400)
        row["device_seen_at"] = (self._as_of - timedelta(days=days)).isoformat(timespec="seconds")
        self.counts["with_live_device"] += is_live

    def _add_ways(self, row: Row, number: int) -> None:
        """`browser_id` is for whoever has browsers to give out: an import leaves that column alone."""
        browser, mailbox, whatsapp = (self._of_ways.random() for _ in range(3))
        token = f"{self._of_ways.getrandbits(64):016x}"
        if browser < self._plan.browsers:
            row["browser_id"] = f"browser-{number}-{token}"
        if mailbox < self._plan.emails:
            row["email"] = f"warga{number}.{token[:6]}@example.org"
        if whatsapp < self._plan.whatsapp and row["phone"] not in UNUSABLE:
            row["wants_whatsapp"] = "yes"

    def _add_stay(self, row: Row) -> None:
        """A traveller is there, but for a few who have gone home without saying so."""
        start = self._as_of - timedelta(days=self._random.randint(3, 20))
        is_gone = self._chance(ENDED_STAYS)
        end = start + timedelta(days=1) if is_gone else self._as_of + timedelta(days=self._random.randint(5, 30))
        row |= {"stay_from": start.date().isoformat(), "stay_until": end.date().isoformat()}

    def _before(self, days: int) -> str:
        return (self._as_of - timedelta(days=self._random.uniform(1, days))).isoformat(timespec="minutes")

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, weights: Mapping[str, float]) -> str:
        return self._random.choices(list(weights), list(weights.values()))[0]


class _Numbers:
    """Mobile numbers that each country could give out, none twice."""

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._given: set[str] = set()

    def new(self, country: str, suffix: str | None = None) -> str:
        """A fresh number of the country in E.164; with `suffix` as its last digits, if that can be."""
        example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
        if example is None:
            raise ValueError(f"no mobile numbers are known of {country!r}")
        national = phonenumbers.national_significant_number(example)
        for _ in range(1000):
            tail = suffix or f"{self._random.randrange(10**RANDOM_DIGITS):0{RANDOM_DIGITS}}"
            kept = len(national) - len(tail)
            head = national[:kept] if suffix is None else self._head(national, kept)
            e164 = f"+{example.country_code}{head}{tail}"
            if self._is_new(e164, country, is_fault=suffix is not None):
                self._given.add(e164)
                return e164
        raise ValueError(f"no more numbers of {country!r} end in {suffix or 'anything'}")

    def _head(self, national: str, kept: int) -> str:
        """Before a fixed suffix come the network's digits and as many more as a valid number may have: several can end alike."""
        fixed = national[: min(kept, 2)]
        return fixed + "".join(self._random.choices("0123456789", k=self._random.randint(max(0, kept - 2), kept + 1)))

    def _is_new(self, e164: str, country: str, *, is_fault: bool) -> bool:
        if e164 in self._given or (not is_fault and e164[-RANDOM_DIGITS:].startswith(FAULT_PREFIX)):
            return False
        number = phonenumbers.parse(e164)
        return phonenumbers.is_valid_number(number) and phonenumbers.region_code_for_number(number) == country
