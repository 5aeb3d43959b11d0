"""HTTP of what looks at who got a message: approval, correction, reminder."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from alerts.broadcasts.queries import present
from alerts.broadcasts.rules import State as MessageState
from alerts.broadcasts.schemas import Approval, BroadcastView, Correction, FollowUp
from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.correcting import approve_message, correct_broadcast
from alerts.deliveries.following import follow_up
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(tags=["deliveries"])
Approver = Annotated[Actor, Depends(require(Permission.APPROVE_BROADCAST))]
Corrector = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]
FREEZING: dict[int | str, dict[str, Any]] = {202: {"description": "copying a long list", "model": BroadcastView}}


@router.post("/api/v1/broadcasts/{broadcast_id}/approve", response_model=BroadcastView, operation_id="approve_broadcast")
def post_approve(broadcast_id: UUID, body: Approval, actor: Approver, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """Release exactly what was submitted. A signed-in person (never a token) who did not touch the message.

    A correction: what it corrects is cancelled. 409 `list_changed` where somebody got that since the correction was submitted.
    """
    idem.start(actor.key)
    broadcast = approve_message(session, actor=actor, broadcast_id=broadcast_id, command=body)
    view = present(session, broadcast, settings.public_url)
    return idem.answer(200, view, {"ETag": view.etag})


@router.post(
    "/api/v1/broadcasts/{broadcast_id}/correct",
    status_code=201,
    response_model=BroadcastView,
    responses=FREEZING,
    operation_id="correct_broadcast",
)
def post_correct(broadcast_id: UUID, body: Correction, actor: Corrector, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """A new message (CAP Update or Cancel, with `references`) to exactly those who were handed this one, by the way that worked.

    With prepared words (`template_id`) one signed-in person is enough: it goes out at once, and what still waits of this message
    is cancelled. Free words wait for approval. Over 20,000 people: 202 and `freezing`.
    """
    idem.start(actor.key)
    correction = correct_broadcast(session, actor=actor, broadcast_id=broadcast_id, command=body, configured=SenderSets.of(settings))
    view = present(session, correction, settings.public_url)
    return idem.answer(202 if correction.state is MessageState.FREEZING else 201, view, {"ETag": view.etag})


@router.post(
    "/api/v1/broadcasts/{broadcast_id}/follow-up",
    status_code=201,
    response_model=BroadcastView,
    responses=FREEZING,
    operation_id="follow_up_broadcast",
)
def post_follow_up(broadcast_id: UUID, body: FollowUp, actor: Writer, session: Tx, settings: SettingsDep, idem: Idem) -> Response:
    """A reminder to those who were on this message's list and have not answered; it waits for approval. Never in a quiet incident."""
    idem.start(actor.key)
    reminder = follow_up(session, actor=actor, broadcast_id=broadcast_id, command=body, configured=SenderSets.of(settings))
    view = present(session, reminder, settings.public_url)
    return idem.answer(202 if reminder.state is MessageState.FREEZING else 201, view, {"ETag": view.etag})
