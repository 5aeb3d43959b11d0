"""HTTP of the answer sheet: asked once, over the past, and as a stream."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request

from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import NotFoundError
from alerts.live import queries
from alerts.live.hub import Hub
from alerts.live.queries import Asked
from alerts.live.rules.changes import changes_between, content_hash, content_of
from alerts.live.schemas import AnswerSheet, Changes, MinuteSeries
from alerts.live.stream import Stream
from alerts.reports.schemas import Moment
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/incidents/{incident_id}", tags=["answer sheet"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_SUMMARY))]
AsOf = Annotated[Moment | None, Query(description="what was true by then; default now")]
KnownAt = Annotated[Moment | None, Query(description="as far as we knew it by then; default now")]
VERSION_MAX = 2_147_483_647
Since = Annotated[int | None, Query(ge=1, le=VERSION_MAX, description="list what changed since this version of the sheet")]


def incident_of_viewer(incident_id: UUID, actor: Viewer, session: Tx) -> Incident:
    """The incident, if this actor may read sheets and know of it."""
    return get_incident(session, incident_id, actor)


IncidentDep = Annotated[Incident, Depends(incident_of_viewer, scope="function")]


@router.get("/summary", operation_id="get_summary")
def get_summary(
    incident: IncidentDep,
    session: Tx,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    since_version: Since = None,
) -> AnswerSheet:
    """The answer sheet: the minister's five questions with value or range, basis, source, as-of, age, next update.

    With `as_of` and `known_at` it answers for the past, and figures, reports, reach and persons are always the
    same; the incident's own title, state and levels are those of now. `since_version` adds what changed since
    that stored version; 404 when there is no such version.
    """
    sheet = queries.load_sheet(session, incident, Asked(as_of, known_at))
    if as_of is None and known_at is None:
        sheet = sheet.model_copy(update={"version": _version_of(session, incident.id, sheet)})
    if since_version is not None:
        sheet = sheet.model_copy(update={"changes": _changes(session, incident.id, since_version, sheet)})
    return sheet


@router.get("/summary/versions/{version}", operation_id="get_summary_version")
def get_summary_version(incident: IncidentDep, session: Tx, version: Annotated[int, Path(ge=1, le=VERSION_MAX)]) -> AnswerSheet:
    """One stored version of the sheet, exactly as it was shown."""
    snapshot = queries.find_snapshot(session, incident.id, version)
    if snapshot is None:
        raise NotFoundError("version_not_found", "There is no such version of the sheet.", field="version")
    return queries.sheet_of(snapshot)


@router.get("/series", operation_id="get_minute_series")
def get_series(
    incident: IncidentDep,
    session: Tx,
    since: Annotated[Moment | None, Query(description="from this minute on; default all")] = None,
) -> MinuteSeries:
    """The main figures minute by minute; a missing minute has the value before it, null says that nobody gives it any more."""
    return MinuteSeries(points=queries.minute_series(session, incident.id, since=since))


@router.get("/live", status_code=200, response_class=Stream, operation_id="watch_sheet")
async def watch_sheet(incident: IncidentDep, request: Request) -> Stream:
    """The sheet as a stream: the newest version at once, then each newer one; repeated every 15 s.

    Events are named `sheet`, their id is the version, their data the sheet as `summary` gives it.
    """
    hub, incident_id = hub_of(request.app), incident.id
    return Stream(lambda task: hub.watch(incident_id, task), lambda encoded: encoded.frame)


def hub_of(app: FastAPI) -> Hub:
    """The hub of this process, made when the first screen opens."""
    hub = getattr(app.state, "hub", None)
    if hub is None:
        hub = app.state.hub = Hub(app.state.settings, app.state.sessions)
    return hub


def _version_of(session: Tx, incident_id: UUID, sheet: AnswerSheet) -> int | None:
    """The stored version that says the same, if it is the newest one."""
    snapshot = queries.latest_snapshot(session, incident_id)
    is_same = snapshot is not None and snapshot.content_hash == content_hash(content_of(sheet))
    return snapshot.version if snapshot is not None and is_same else None


def _changes(session: Tx, incident_id: UUID, since_version: int, sheet: AnswerSheet) -> Changes:
    snapshot = queries.find_snapshot(session, incident_id, since_version)
    if snapshot is None:
        raise NotFoundError("version_not_found", "There is no such version of the sheet.", field="query.since_version")
    items = changes_between(queries.sheet_of(snapshot), sheet)
    return Changes(since_version=since_version, since=snapshot.created_at, items=items)
