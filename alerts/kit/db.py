"""The database: tables' common parts, sessions, and the only places that commit.

One request is one transaction, committed before the answer leaves (`Tx`); a task is one or several
short ones (`begin`). Never hold one across the network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Connection, DateTime, Engine, Enum, MetaData, Text, create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import Uuid

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
POSTGRES_MAJOR_MIN = 18
Sessions = sessionmaker[Session]


class Base(DeclarativeBase):
    """Every table. Times are `timestamptz`, strings `text`, ids `uuid`; relationships are not used."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), str: Text(), UUID: Uuid()}


def uuid_pk() -> Mapped[UUID]:
    """A UUIDv7 primary key made by Postgres, so that newest first is ordering by id."""
    return mapped_column(primary_key=True, server_default=func.uuidv7())


def new_id(session: Session) -> UUID:
    """An id before its row: what is sealed in a row is bound to its id."""
    return new_ids(session, 1)[0]


def new_ids(session: Session, count: int) -> list[UUID]:
    """Several, in order."""
    if not count:
        return []
    return sorted(session.scalars(select(func.uuidv7()).select_from(func.generate_series(1, count))))


def created_at() -> Mapped[datetime]:
    """When the row became known, by the database's clock: never the client's."""
    return mapped_column(server_default=func.now())


def enum_column(kind: type[StrEnum]) -> Enum:
    """A `StrEnum` kept as text under a CHECK: readable in SQL, and a new word is a small migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=40,
        name=_snake(kind.__name__),
        values_callable=lambda members: [member.value for member in members],
    )


FRESH_PLANS = "-c plan_cache_mode=force_custom_plan"
STEADY_PLANS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_mergejoin=off -c enable_bitmapscan=off"
"""For a few statements that find a hundred rows by their keys, thousands of times: planned once, always by the index."""


def make_engine(
    url: str, *, pool_size: int = 8, statement_timeout_seconds: float = 30, idle_seconds: float = 60, plans: str = FRESH_PLANS
) -> Engine:
    """An engine with UTC sessions and bounded statements and lock waits. Make it after fork.

    `idle_seconds`: a transaction in which its process does nothing for so long is ended, and its locks with it. `plans`: each
    statement is planned for the values at hand, since tables grow from nothing within minutes; or STEADY_PLANS.
    """
    timeout, idle = int(statement_timeout_seconds * 1000), int(idle_seconds * 1000)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # parameters hold texts and names: they stay out of every log
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "options": f"-c timezone=UTC -c statement_timeout={timeout} -c idle_in_transaction_session_timeout={idle} {plans}",
        },
    )


def make_sessions(engine: Engine) -> Sessions:
    """The factory that everything is handed; objects stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def begin(sessions: Sessions) -> Iterator[Session]:
    """One short transaction for a task or a script: commits at the end, rolls back on any error."""
    with sessions.begin() as session:
        yield session


class OwnConnections(NamedTuple):
    """Two connections for many short transactions in a row: no ping and no hand-over between them."""

    sessions: Sessions
    at_once: Connection
    """Each statement is a transaction of its own, committed when it returns: one round trip."""


@contextmanager
def own_connections(sessions: Sessions) -> Iterator[OwnConnections]:
    """Held until the end of the block. What is uncommitted then is rolled back."""
    with sessions() as session:
        engine = session.get_bind()
    assert isinstance(engine, Engine)
    with engine.connect() as connection, engine.connect() as at_once:
        committing = at_once.execution_options(isolation_level="AUTOCOMMIT")
        yield OwnConnections(sessionmaker(connection, expire_on_commit=False), committing)


SPARE_CONNECTIONS = 2
"""Of a process's pool, for whatever is not a request: doors of storms, live screens."""


async def turn(request: Request) -> AsyncIterator[None]:
    """A request's turn at the database: no more have one than there are connections.

    Without it, in a rush, some requests hold a connection and wait for a thread while every thread waits for a connection.
    """
    state = request.app.state
    if not hasattr(state, "turns"):
        state.turns = asyncio.Semaphore(max(1, 2 * state.settings.database.pool_size - SPARE_CONNECTIONS))
    async with state.turns:
        yield


def tx(request: Request, _: Annotated[None, Depends(turn, scope="function")]) -> Iterator[Session]:
    """One request's transaction, from the factory that the application was given."""
    with begin(request.app.state.sessions) as session:
        yield session


# scope="function": the default scope commits after the client already has its 201.
Tx = Annotated[Session, Depends(tx, scope="function")]


def array_of(values: Iterable[int | str | UUID | None]) -> str:
    """A Postgres array as text, for hot statements that cast it: ten times quicker than the driver's own lists.

    Numbers, ids and plain words are written as they are; any other text is quoted. None is null.
    """
    words = ["NULL" if value is None else _element(value) for value in values]
    return "{" + ",".join(words) + "}"


def _element(value: int | str | UUID) -> str:
    word = str(value)
    is_plain = word.isascii() and word.isalnum() and word.upper() != "NULL"
    if is_plain or not isinstance(value, str):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def require_postgres(session: Session) -> None:
    """Refuse a server that is too old, in one sentence (`uuidv7()` came with 18)."""
    major = int(session.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    if major < POSTGRES_MAJOR_MIN:
        raise SystemExit(f"Siaga needs Postgres {POSTGRES_MAJOR_MIN} or newer; this server is version {major}.")


def rows_of(result: Any) -> list[dict[str, Any]]:
    """A result of plain SQL as dictionaries."""
    return [dict(row) for row in result.mappings()]


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
