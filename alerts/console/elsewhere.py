"""An exercise has its own addresses. Whoever comes by the other one is sent on, and nothing is done there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Request, Response

from alerts.console.pages import EXERCISE_PREFIX, go, is_exercise
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.staff.access import require
from alerts.staff.rules import Permission

Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]


class Elsewhere(Exception):  # noqa: N818 - not an error: the way to the page's true address
    """The thing asked for lives at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def status_of_route(request: Request) -> Status:
    """What this address is for."""
    return Status.EXERCISE if is_exercise(request) else Status.ACTUAL


def check_route(request: Request, status: Status) -> None:
    """Raises Elsewhere unless an exercise was asked for under /exercise and an actual event not there."""
    if status is status_of_route(request):
        return
    path = request.url.path
    is_page = request.method == "GET"
    other = path.removeprefix(EXERCISE_PREFIX) if is_exercise(request) else EXERCISE_PREFIX + path
    raise Elsewhere(other if is_page else "/")


def incident_of_route(request: Request, incident_id: UUID, session: Tx, actor: Viewer) -> Incident:
    """The incident of the address, if the actor may see it and the address is the right one."""
    incident = get_incident(session, incident_id, actor)
    check_route(request, incident.status)
    return incident


IncidentDep = Annotated[Incident, Depends(incident_of_route, scope="function")]


def install_elsewhere(app: FastAPI) -> None:
    """Let pages send their reader on."""
    app.add_exception_handler(Elsewhere, _send_on)


async def _send_on(_: Request, error: Exception) -> Response:
    assert isinstance(error, Elsewhere)
    return go(error.path)
