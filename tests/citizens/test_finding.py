"""Names get their fingerprints after an import, and again when they change; the events that ask for it ring a task."""

from __future__ import annotations

from sqlalchemy import text

from alerts.citizens.finding import index_some, list_unindexed
from alerts.families.paging import still_waits
from alerts.kit.crypto import Keyring
from alerts.kit.db import Sessions
from tests.factories.citizens import make_citizen
from workers.staff import STILL_WAITS
from workers.tasks import WORKS
from workers.wiring import QUEUES, QUICK, REACTIONS


def test_an_import_and_a_familys_call_ring_for_what_they_ask() -> None:
    assert REACTIONS["citizens.imported"] == ("citizens.index_names",)
    assert set(REACTIONS["enquiry.changed"]) == {"families.page_owners", "live.refresh"}
    assert "citizens.index_names" in WORKS
    assert STILL_WAITS["enquiry"] is still_waits
    assert QUEUES["citizens.index_names"] != QUICK, "a million names keep nobody waiting"


def test_everybody_is_indexed_in_short_transactions_and_what_is_left_is_told_of(sessions: Sessions, keyring: Keyring) -> None:
    with sessions.begin() as session:
        for number in range(5):
            make_citizen(session, keyring, name=f"Warga {number}")
    assert [index_some(sessions, keyring, limit=4, batch=3) for _ in range(3)] == [4, 1, 0]
    with sessions() as session:
        assert list_unindexed(session) == []
        told = "SELECT count(*) FROM outbox_event WHERE name = 'citizens.imported'"
        assert session.execute(text(told)).scalar_one() == 1, "only the first left anybody"
