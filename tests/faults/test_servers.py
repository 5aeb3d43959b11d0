"""Postgres and Valkey crash, freeze, forget, or refuse one statement, in the middle of a fan-out."""

from __future__ import annotations

import signal
import time
from threading import Event

import pytest

from tests.support.breaking import LOST_AT_ONCE, Scene, frozen

pytestmark = pytest.mark.breaks_servers
API_SECONDS = 5.0


def test_valkey_killed(scene: Scene) -> None:
    under_way = scene.alert()
    under_way.at_random(1, lambda: scene.stage.services.restart_valkey(signal.SIGKILL), low=0.2, high=0.6)
    under_way.keeps_the_promise()


def test_valkey_forgets_everything(scene: Scene) -> None:
    under_way = scene.alert()
    with scene.valkey() as client:
        under_way.at_random(2, client.flushall, low=0.1, high=0.6)
    under_way.keeps_the_promise()


def test_valkey_stands_still(scene: Scene) -> None:
    """Meanwhile the API answers, and a second message is released: it goes out when Valkey is back."""
    under_way = scene.alert()
    under_way.reach_share(0.2)
    with frozen(scene.stage.services.valkey_pid):
        began = time.monotonic()
        second = scene.alert()
        assert time.monotonic() - began < API_SECONDS
        Event().wait(scene.size.freeze_seconds)  # the fault itself, not a synchronisation
    under_way.keeps_the_promise()
    second.keeps_the_promise()


def test_postgres_crashes(scene: Scene) -> None:
    """Immediate shutdown: what was committed is there, what was in flight is unknown at worst."""
    under_way = scene.alert()
    under_way.at_random(1, lambda: scene.stage.services.restart_postgres(signal.SIGQUIT), low=0.2, high=0.6)
    under_way.keeps_the_promise(unknown=LOST_AT_ONCE)


@pytest.mark.parametrize(
    "when",
    ["INSERT ON send_window", "UPDATE ON send_window", "INSERT ON attempt", "UPDATE ON delivery", "UPDATE ON delivery_batch"],
    ids=["intent", "close", "record", "state", "claim"],
)
def test_one_statement_fails_now_and_then(scene: Scene, when: str) -> None:
    """Every seventh time, while half of the message goes out: also the *mark sent*, after the carrier took it."""
    for statement in FAIL:
        scene.run(statement.format(when=when, table=when.rpartition(" ")[2]))
    try:
        under_way = scene.alert()
        under_way.reach_share(0.5)
    finally:
        for statement in UNFAIL:
            scene.run(statement.format(table=when.rpartition(" ")[2]))
    under_way.keeps_the_promise(unknown=LOST_AT_ONCE)


FAIL = (
    "CREATE SEQUENCE failing",
    """
    CREATE FUNCTION fail_sometimes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('failing') % 7 = 0 THEN RAISE EXCEPTION 'the test lets this one fail'; END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER fail_sometimes AFTER {when} FOR EACH STATEMENT EXECUTE FUNCTION fail_sometimes()",
)
UNFAIL = ("DROP TRIGGER fail_sometimes ON {table}", "DROP FUNCTION fail_sometimes()", "DROP SEQUENCE failing")
