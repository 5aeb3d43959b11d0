"""The text that staff pass on in groups, with the open check-in link."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from alerts.console.elsewhere import Viewer
from alerts.console.pages import render
from alerts.console.routes_broadcasts import BroadcastDep
from alerts.inbox.open_link.actions import make_forwardable
from alerts.incidents.queries import get_incident
from alerts.kit.db import Tx
from alerts.settings import KeyringDep, SettingsDep

router = APIRouter(prefix="/broadcasts/{broadcast_id}", include_in_schema=False)


@router.get("/forward")
def forward_page(
    request: Request, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, keyring: KeyringDep, actor: Viewer
) -> Response:
    """The approved words with the link, to copy. A quiet incident has none."""
    given = make_forwardable(session, keyring=keyring, broadcast=broadcast, public_url=settings.public_url)
    context = {"incident": get_incident(session, broadcast.incident_id), "broadcast": broadcast, "given": given}
    return render(request, "forward.html", context, actor=actor)
