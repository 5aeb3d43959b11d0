"""A migrated database that one test after the other has to itself: emptied in between, which is quicker than a new copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg import sql

from alerts.embedded import foreign
from tests.support.servers import Servers, fresh_database

Connection = psycopg.Connection[tuple[object, ...]]
LARGE_BYTES = 256 * 1024
"""Tables above this are truncated: many deleted rows would slow down whoever comes next."""


class KeptDatabase:
    """What a test leaves is deleted and what the migrations wrote is put back; who changed the schema gets it thrown away."""

    def __init__(self, servers: Servers, suffix: str) -> None:
        self._servers, self._suffix = servers, suffix
        self._stack = ExitStack()
        self._url: str | None = None
        self._shape: object = None
        self._seeds: dict[str, bytes] = {}

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Its URL, for one test."""
        url = self._url or self._make()
        try:
            yield url
        finally:
            if not self._empty(url):
                self.drop()

    def drop(self) -> None:
        """Throw it away; the next test gets a new one."""
        self._url = None
        self._stack.close()

    def _make(self) -> str:
        url = self._stack.enter_context(fresh_database(self._servers, self._suffix))
        with foreign.connect(url) as connection:
            self._shape = connection.execute(SHAPE).fetchone()
            self._seeds = {name: _read(connection, name) for name in _filled(connection)}
        self._url = url
        return url

    def _empty(self, url: str) -> bool:
        """False where only a new copy will do."""
        with foreign.connect(url) as connection:
            connection.execute(END_OTHERS)
            if connection.execute(SHAPE).fetchone() != self._shape:
                return False
            try:
                with connection.transaction():
                    connection.execute("SET LOCAL session_replication_role = replica")  # neither triggers nor foreign keys
                    self._reset(connection)
            except psycopg.errors.InsufficientPrivilege:
                return False
        return True

    def _reset(self, connection: Connection) -> None:
        large = {str(name) for (name,) in connection.execute(LARGE, [LARGE_BYTES])} - set(self._seeds)
        if large:
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(map(sql.Identifier, sorted(large)))))
        for name in _filled(connection):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        for name, rows in self._seeds.items():
            with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                copy.write(rows)
        connection.execute(BEGIN_NUMBERS)


def _filled(connection: Connection) -> list[str]:
    """The tables that have rows."""
    names = [str(name) for (name,) in connection.execute(TABLES)]
    questions = sql.SQL(", ").join(sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(name)) for name in names)
    answers = connection.execute(sql.SQL("SELECT {}").format(questions)).fetchone()
    assert answers is not None
    return [name for name, has_rows in zip(names, answers, strict=True) if has_rows]


def _read(connection: Connection, name: str) -> bytes:
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as copy:
        return b"".join(bytes(part) for part in copy)


TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
LARGE = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > %s"
SHAPE = """
SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_constraint),
    (SELECT count(*) FROM pg_attribute), (SELECT string_agg(tgname || tgenabled::text, ',' ORDER BY oid) FROM pg_trigger)
"""
END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
BEGIN_NUMBERS = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
