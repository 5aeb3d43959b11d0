"""The sender's statements are planned once: whatever the tables looked like then, the plan finds rows by their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import TextClause

from alerts.broadcasts.rules import Channel
from alerts.deliveries import statements
from alerts.embedded.foreign import driver_url
from alerts.kit.db import STEADY_PLANS

STATEMENTS = {
    "claim": statements.CLAIM,
    "the first of a lane": statements.FIRST,
    "what is owed of a lane": statements.OWED,
    "load": statements.LOAD[Channel.SMS],
    "intend": statements.INTEND,
    "intend a later step": statements.INTEND_LATER_STEP,
    "intend a reminder": statements.INTEND_REMINDER,
    "finish": statements.FINISH,
    "record": statements.RECORD,
    "record what was accepted": statements.RECORD_ACCEPTED,
    "record and intend": statements.RECORD_AND_INTEND,
}
SMALL = {"sender_rest"}
"""Has a row for each closed sender, and there are a handful of senders."""
BATCH = "INSERT INTO delivery_batch (broadcast_id, channel) VALUES (gen_random_uuid(), 'sms')"
MANY = "INSERT INTO delivery (id, member_id, broadcast_id, batch_id, channel) SELECT n * 64 + 1, n, gen_random_uuid(), 1, 'sms' FROM {} n"
BEFORE = {
    "never looked at": [],
    "looked at while empty": ["ANALYZE"],
    "looked at with a row": [BATCH, MANY.format("generate_series(1, 1)"), "ANALYZE"],
    "looked at while full": [BATCH, MANY.format("generate_series(1, 20000)"), "ANALYZE"],
}


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(driver_url(database_url), autocommit=True, options=STEADY_PLANS) as connection:
        yield connection


def generic(statement: TextClause) -> str:
    """With numbered places, as the server sees it."""
    names: list[str] = []

    def place(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    return re.sub(r"(?<!:):([a-z_]+)", place, statement.text)


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes that read a table."""
    if "Relation Name" in node and node["Node Type"] != "ModifyTable":
        yield node
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.mark.breaks_promises
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", STATEMENTS)
def test_every_row_is_found_by_its_key(connection: psycopg.Connection[Any], before: str, name: str) -> None:
    connection.execute("SET session_replication_role = replica")
    for statement in BEFORE[before]:
        connection.execute(statement)
    with psycopg.ClientCursor(connection) as cursor:
        [(plan,)] = cursor.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {generic(STATEMENTS[name])}").fetchall()  # type: ignore[arg-type]
    read = list(scans(plan[0]["Plan"]))
    assert read
    unbounded = [node["Relation Name"] for node in read if "Index Cond" not in node and node["Relation Name"] not in SMALL]
    assert unbounded == [], f"{unbounded} would be read whole"
