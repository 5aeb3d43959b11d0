"""Whoever took an event may die before the sheet is computed, and one sheet that cannot be computed may hold up no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Result, text
from sqlalchemy.exc import DBAPIError

from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.carriers import Carriers
from alerts.kit.db import Sessions, begin
from alerts.kit.outbox import claim_new
from alerts.live.actions import refresh_all
from alerts.live.queries import latest_versions
from alerts.reports.actions import file_report
from alerts.reports.schemas import ReportIn
from alerts.settings import Settings
from tests.factories.incidents import make_incident
from tests.factories.reports import line, report_body
from tests.factories.staff import make_actor
from tests.support.stages import wait_until
from workers.app import Runtime
from workers.tasks import perform
from workers.wiring import REACTIONS

SENDERS = {"SIAGA_TWILIO_FROM": "+15005550006", "SIAGA_FCM_STATIC_TOKEN": "token", "SIAGA_FCM_BASE_URL": "http://127.0.0.1:9"}
SOON = 8.0
"""Seconds; without any event a sheet is looked at only every 15."""


@pytest.fixture
def runtime(make_settings: Callable[..., Settings], database_url: str, sessions: Sessions) -> Iterator[Runtime]:
    settings = make_settings(database_url, **SENDERS)
    carriers = Carriers(settings)
    yield Runtime(settings, sessions, sessions, carriers, SenderSets.of(settings))
    carriers.close()


@pytest.fixture
def two(runtime: Runtime) -> tuple[UUID, UUID]:
    """Incidents whose first sheets are stored."""
    with begin(runtime.sessions) as session:
        made = make_incident(session, is_replayed=True).id, make_incident(session, is_replayed=True).id
    assert refresh_all(runtime.settings, runtime.sessions) == len(made)
    wait_until(lambda: _run(runtime, RESTED).scalar_one())
    return made


def test_what_a_task_took_and_could_not_compute_is_computed_soon(runtime: Runtime, two: tuple[UUID, UUID]) -> None:
    ill, well = two
    file(runtime, *two)
    with no_sheet_of(runtime, ill):
        with suppress(DBAPIError):  # as Celery does
            perform(runtime, "live.refresh", None, {})
        wait_until(lambda: swept(runtime, well) > 1, seconds=SOON)
        assert swept(runtime, ill) == 1
    wait_until(lambda: swept(runtime, ill) > 1, seconds=SOON)


def file(runtime: Runtime, *incident_ids: UUID) -> None:
    """Something new in each, and the relay's mark on its event."""
    with begin(runtime.sessions) as session:
        actor = make_actor(session, "mission_staff")
        for each in incident_ids:
            body = ReportIn.model_validate(report_body(line("injured", 3)))
            file_report(session, actor=actor, incident_id=each, command=body)
    with begin(runtime.sessions) as session:
        claim_new(session, 100, REACTIONS)


def swept(runtime: Runtime, incident_id: UUID) -> int:
    """The newest version of this one's sheet after a sweep by the clock."""
    with suppress(DBAPIError):
        perform(runtime, "live.refresh_all", None, {})
    with begin(runtime.sessions) as session:
        return latest_versions(session, [incident_id])[incident_id]


@contextmanager
def no_sheet_of(runtime: Runtime, incident_id: UUID) -> Iterator[None]:
    """No version of this incident can be stored meanwhile."""
    for statement in FAIL:
        _run(runtime, statement.format(incident_id=incident_id))
    try:
        yield
    finally:
        for statement in UNFAIL:
            _run(runtime, statement)


def _run(runtime: Runtime, statement: str) -> Result[Any]:
    with begin(runtime.sessions) as session:
        return session.execute(text(statement))


RESTED = (
    "SELECT bool_and(clock_timestamp() - computed_at > least('15 s', greatest('0.2 s', 4 * took_seconds * interval '1 s'))) FROM live_state"
)
FAIL = (
    """
    CREATE FUNCTION fail_this() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the test lets this one fail';
    END $$
    """,
    """
    CREATE TRIGGER fail_this BEFORE INSERT ON snapshot FOR EACH ROW WHEN (NEW.incident_id = '{incident_id}')
    EXECUTE FUNCTION fail_this()
    """,
)
UNFAIL = ("DROP TRIGGER fail_this ON snapshot", "DROP FUNCTION fail_this()")
