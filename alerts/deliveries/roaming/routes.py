"""HTTP of roaming broadcasts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from alerts.broadcasts.queries import get_broadcast
from alerts.deliveries.roaming.actions import ask_roaming, list_roaming, present_roaming
from alerts.deliveries.roaming.schemas import RoamingAsk, RoamingView
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/broadcasts/{broadcast_id}/roaming", tags=["deliveries"])
Viewer = Annotated[Actor, Depends(require(Permission.VIEW_INCIDENTS))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]


@router.get("", operation_id="list_roaming")
def get_roaming(broadcast_id: UUID, actor: Viewer, session: Tx) -> list[RoamingView]:
    """What the home operators were asked, and the phones that they counted since: a series of its own, never persons."""
    return list_roaming(session, get_broadcast(session, broadcast_id, actor))


@router.post("", status_code=201, response_model=RoamingView, operation_id="ask_roaming")
def post_roaming(broadcast_id: UUID, body: RoamingAsk, actor: Writer, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Ask the home operator to text its phones in a country, with the approved words. 409 unless the message is approved."""
    idem.start(actor.key)
    broadcast = get_broadcast(session, broadcast_id, actor)
    who = {"operator": settings.roaming.operator, "home_country": settings.home_country}
    row = ask_roaming(session, actor=actor, broadcast=broadcast, command=body, **who)
    return idem.answer(201, present_roaming(row), {"Location": f"/api/v1/broadcasts/{broadcast.id}/roaming"})
