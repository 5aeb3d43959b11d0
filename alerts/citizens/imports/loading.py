"""People read from a file go into the register: by COPY into temporary tables, then set by set.

One import is one transaction: all of it or nothing. Only one runs at a time. Per chunk: stage ids and digests,
learn from the database who is new, changed or the same, encrypt only what must be written, copy it in.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.citizens.imports.person import Person, Problem
from alerts.citizens.imports.reading import RegisterFile
from alerts.citizens.imports.rows import ReadRow, read_row
from alerts.citizens.imports.sql import COPIES, IN_ORDER, SORT_OUT, stage_statements
from alerts.citizens.rules import RowOutcome, fold_email, fold_name
from alerts.kit.crypto import Keyring

CHUNK_ROWS = 2000
PREVIEW_ROWS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. `seconds_left` is None until there is something to judge by."""

    rows: int
    bytes_done: int
    bytes_total: int
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row."""

    line: int
    outcome: RowOutcome
    external_id: str | None
    citizen_id: UUID | None
    problems: Sequence[Problem]


@dataclass(slots=True)
class Tally:
    """The result of an import as it grows."""

    counts: Counter[str] = field(default_factory=Counter)
    preview: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)


OnProgress = Callable[[Progress], None]


class Loader:
    """Brings the rows of one file into the register, or (dry) only says what would happen."""

    def __init__(self, session: Session, keyring: Keyring, *, run_id: UUID, is_dry_run: bool, home_country: str) -> None:
        self._session, self._keyring = session, keyring
        self._run_id, self._is_dry_run, self._home = run_id, is_dry_run, home_country
        self.tally = Tally()
        for statement in stage_statements():
            session.execute(text(statement))

    def load(self, file: RegisterFile, *, on_progress: OnProgress | None = None, rows_max: int | None = None) -> None:
        """Read and bring in everything. Raises TooManyRowsError beyond `rows_max`; the caller rolls back."""
        started, done = time.monotonic(), 0
        rows = (read_row(raw, home_country=self._home) for raw in file.rows())
        for chunk in _chunks(rows, CHUNK_ROWS):
            done += len(chunk)
            if rows_max is not None and done > rows_max:
                raise TooManyRowsError(rows_max)
            self._take(chunk)
            if on_progress is not None:
                on_progress(_progress(file, done, time.monotonic() - started))

    def _take(self, chunk: list[ReadRow]) -> None:
        people = {row.line: row.person for row in chunk if row.person is not None}
        known = self._sort_out(people)
        results = [self._result(row, known.get(row.line)) for row in chunk]
        changed = {r.line for r in results if r.outcome in (RowOutcome.CREATED, RowOutcome.UPDATED)}
        if not self._is_dry_run and changed:
            self._write([(known[line].citizen_id, people[line], known[line].digest) for line in sorted(changed)])
        self._keep(results, people)

    def _sort_out(self, people: dict[int, Person]) -> dict[int, _Known]:
        """Ask the database, by id and digest, which of these people it has and which of them are as they were."""
        digests = {line: self._digest(person) for line, person in people.items()}
        self._session.execute(text("TRUNCATE import_chunk"))
        self._copy("import_chunk", ((line, people[line].external_id, digests[line]) for line in people))
        found = self._session.execute(text(SORT_OUT)).all()
        return {row.line: _Known(row.citizen_id, digests[row.line], row.first_line, row.is_new, row.is_same) for row in found}

    def _digest(self, person: Person) -> bytes:
        return self._keyring.blind_index(repr(person))

    def _result(self, row: ReadRow, known: _Known | None) -> Row:
        if known is None or row.person is None:
            return Row(row.line, RowOutcome.REJECTED, row.external_id, None, row.problems)
        if known.first_line != row.line:
            message = f"line {known.first_line} has the same id and was taken"
            double = Problem("external_id", "repeated_id", message, is_fatal=True)
            return Row(row.line, RowOutcome.REJECTED, row.external_id, None, [*row.problems, double])
        outcome = RowOutcome.CREATED if known.is_new else RowOutcome.UNCHANGED if known.is_same else RowOutcome.UPDATED
        citizen_id = None if known.is_new and self._is_dry_run else known.citizen_id
        return Row(row.line, outcome, row.external_id, citizen_id, row.problems)

    def _write(self, people: Sequence[tuple[UUID, Person, bytes]]) -> None:
        fresh = self._fresh_ids(sum(len(p.phones) + (p.device is not None) + (p.email is not None) for _, p, _ in people))
        for table in ("import_citizen", "import_phone", "import_device", "import_email"):
            self._session.execute(text(f"TRUNCATE {table}"))
        self._copy("import_citizen", (self._citizen(*each) for each in people))
        self._copy("import_phone", (row for citizen_id, p, _ in people for row in self._phones(citizen_id, p, fresh)))
        self._copy("import_device", (row for citizen_id, p, _ in people for row in self._devices(citizen_id, p, fresh)))
        self._copy("import_email", (row for citizen_id, p, _ in people for row in self._emails(citizen_id, p, fresh)))
        for statement in IN_ORDER:
            self._session.execute(text(statement))

    def _citizen(self, citizen_id: UUID, person: Person, digest: bytes) -> tuple[Any, ...]:
        seal = self._keyring.encrypt(person.name, table="citizen", column="name_enc", row=citizen_id)
        index = self._keyring.blind_index(fold_name(person.name))
        place = (person.country, person.province, person.lat, person.lon, person.place_as_of)
        stay = (person.stay_from, person.stay_until, person.is_opted_out)
        flags = (person.wants_whatsapp, person.is_vulnerable, person.is_tester, person.tester_consented_at)
        return (citizen_id, person.external_id, seal, index, person.language, person.class_.value, *place, *stay, *flags, digest)

    def _phones(self, citizen_id: UUID, person: Person, fresh: Iterator[UUID]) -> Iterator[tuple[Any, ...]]:
        for phone in person.phones:
            phone_id = next(fresh)
            seal = self._keyring.encrypt(phone.number, table="phone", column="e164_enc", row=phone_id)
            index = self._keyring.blind_index(phone.number)
            yield phone_id, citizen_id, seal, index, phone.country, phone.position, phone.country is not None

    def _devices(self, citizen_id: UUID, person: Person, fresh: Iterator[UUID]) -> Iterator[tuple[Any, ...]]:
        if person.device is not None:
            device_id = next(fresh)
            seal = self._keyring.encrypt(person.device.token, table="device", column="token_enc", row=device_id)
            seen_at = person.device.seen_at or datetime.now(UTC)
            yield device_id, citizen_id, seal, self._keyring.blind_index(person.device.token), seen_at

    def _emails(self, citizen_id: UUID, person: Person, fresh: Iterator[UUID]) -> Iterator[tuple[Any, ...]]:
        if person.email is not None:
            email_id = next(fresh)
            seal = self._keyring.encrypt(person.email, table="email_address", column="address_enc", row=email_id)
            yield email_id, citizen_id, seal, self._keyring.blind_index(fold_email(person.email))

    def _fresh_ids(self, count: int) -> Iterator[UUID]:
        rows = self._session.execute(text("SELECT uuidv7() FROM generate_series(1, :count)"), {"count": count})
        return iter(rows.scalars().all())

    def _keep(self, results: Sequence[Row], people: dict[int, Person]) -> None:
        """Store what became of each row, count it, and remember the first ones for the preview."""
        rows = ((self._run_id, r.line, r.outcome.value, r.external_id, r.citizen_id, _problems(r)) for r in results)
        self._copy("import_row", rows)
        for result in results:
            self.tally.counts[result.outcome.value] += 1
            self.tally.counts["warnings"] += sum(not problem.is_fatal for problem in result.problems)
            if result.outcome is RowOutcome.REJECTED:
                self._remember(self.tally.refusals, {"line": result.line, "problems": [p.as_json() for p in result.problems]}, 100)
            else:
                shown = people[result.line].masked() | {"line": result.line, "outcome": result.outcome.value}
                self._remember(self.tally.preview, shown, PREVIEW_ROWS)

    @staticmethod
    def _remember(kept: list[dict[str, Any]], item: dict[str, Any], limit: int) -> None:
        if len(kept) < limit:
            kept.append(item)

    def _copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        connection = self._session.connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        columns = COPIES[table]
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of one staged row. A row that is not the first of its id is a repetition."""

    citizen_id: UUID
    digest: bytes
    first_line: int
    is_new: bool
    is_same: bool


class TooManyRowsError(Exception):
    """The file has more rows than this door takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} rows")
        self.limit = limit


def _problems(row: Row) -> Jsonb:
    return Jsonb([problem.as_json() for problem in row.problems])


def _progress(file: RegisterFile, rows: int, seconds: float) -> Progress:
    done, total = file.bytes_done, file.size_bytes
    left = seconds * (total - done) / done if done and seconds > 0 else None
    return Progress(rows, done, total, seconds, left)


def _chunks(rows: Iterable[ReadRow], size: int) -> Iterator[list[ReadRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
