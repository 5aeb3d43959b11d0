"""Messages: write, look at every text as it would leave, ask for approval, cancel, correct."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from alerts.broadcasts import actions
from alerts.broadcasts.audience import preview_selected, select_people
from alerts.broadcasts.forecasting import segments_of
from alerts.broadcasts.freezing import ways_of
from alerts.broadcasts.models import Broadcast
from alerts.broadcasts.preview import Asked, ground_of, present_audience
from alerts.broadcasts.preview_schemas import AudienceView
from alerts.broadcasts.queries import areas_of, claim_broadcast, get_broadcast, hands_of, list_waves, lists_of, present
from alerts.broadcasts.rules import Channel, MsgType, State
from alerts.broadcasts.schemas import BroadcastChange, BroadcastDraft, BroadcastView, Correction, Texts
from alerts.broadcasts.template_rules import TemplateKind
from alerts.broadcasts.templates import list_usable
from alerts.channels.rule_book import channels_of
from alerts.channels.rule_book_outlets import SenderSets
from alerts.console.chart import reach_context
from alerts.console.elsewhere import IncidentDep, Viewer, check_route
from alerts.console.first_texts import REMINDER, first_texts
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.once import start_once
from alerts.console.pages import go, render
from alerts.console.routes_incidents import root_of
from alerts.deliveries.correcting import correct_broadcast
from alerts.incidents.models import Incident
from alerts.incidents.queries import get_incident, list_areas
from alerts.incidents.rules import Status
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.db import Tx
from alerts.kit.errors import ConflictError, InvalidError
from alerts.kit.i18n import JAKARTA
from alerts.live.reach.board import board_of
from alerts.places import zone_of_area
from alerts.settings import Settings, SettingsDep
from alerts.staff.access import require
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission

new_router = APIRouter(prefix="/incidents/{incident_id}/broadcasts", include_in_schema=False)
router = APIRouter(prefix="/broadcasts/{broadcast_id}", include_in_schema=False)
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]
Canceller = Annotated[Actor, Depends(require(Permission.CANCEL_BROADCAST))]
Corrector = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]
OPEN_CHANNELS: tuple[Channel, ...] = tuple(channel for channel in Channel if channel is not Channel.NONE)
USUAL_CHANNELS = {Channel.PUSH, Channel.SMS}
PROMISES = (30, 60, 120, 180, 360)
"""Minutes until the next message may be promised, and from one to the next."""


def broadcast_of_route(request: Request, broadcast_id: UUID, session: Tx, actor: Viewer) -> Broadcast:
    """The message of the address, if the actor may see it and the address is the right one."""
    broadcast = get_broadcast(session, broadcast_id, actor)
    check_route(request, broadcast.status)
    return broadcast


BroadcastDep = Annotated[Broadcast, Depends(broadcast_of_route, scope="function")]


@new_router.get("/new")
def new_broadcast_page(request: Request, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Writer) -> Response:
    """A first text is proposed; who would get it stands beside it."""
    context = {"incident": incident, "broadcast": None, "texts": first_texts(incident.kind), "areas": list_areas(session, incident.id)}
    return render(
        request, "broadcast_edit.html", context | {"channels": open_channels(settings, incident), "promises": PROMISES}, actor=actor
    )


@new_router.post("/new")
def new_broadcast_form(request: Request, form: FormDep, incident: IncidentDep, session: Tx, actor: Writer) -> Response:
    once = start_once(request, session, form, actor)
    command = BroadcastDraft(
        texts=_texts(form),
        area_ids=_area_ids(form),
        channels=_channels(form),
        next_message_at=_promise(session, incident, form),
        next_message_every_minutes=_every(form),
        is_restricted=form.has("restricted"),
    )
    broadcast = actions.draft_broadcast(session, actor=actor, incident_id=incident.id, command=command)
    return once.go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@router.get("")
def broadcast_page(request: Request, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Viewer) -> Response:
    """Every text as it would leave, who would get it, and what can be done next."""
    view = present(session, broadcast, settings.public_url, with_since=True)
    is_draft = broadcast.state in (State.DRAFT, State.REJECTED)
    context = {
        "incident": get_incident(session, broadcast.incident_id),
        "view": view,
        "who": audience_now(session, settings, broadcast, view) if is_draft and not broadcast.references else None,
        "reach": None,
        "names": names_of(session, _people_of(broadcast)),
        "is_own": actor.staff_id in hands_of(session, broadcast.id),
        "waves": list_waves(session, broadcast.id),
        "is_out": broadcast.released_at is not None,
        "corrections": list_usable(session, [TemplateKind.CANCEL, TemplateKind.UPDATE]),
        "reminder": REMINDER,
    }
    if broadcast.approved_at:
        context |= reach_context(board_of(request.app).read(session, broadcast))
    return render(request, "broadcast.html", context, actor=actor)


@router.get("/edit")
def edit_page(request: Request, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Writer) -> Response:
    incident = get_incident(session, broadcast.incident_id)
    context = {"incident": incident, "broadcast": broadcast, "texts": broadcast.texts, "areas": list_areas(session, incident.id)}
    return render(
        request, "broadcast_edit.html", context | {"channels": open_channels(settings, incident), "promises": PROMISES}, actor=actor
    )


@router.post("/edit")
def edit_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Writer) -> Response:
    """Refused when somebody else changed the message meanwhile."""
    locked = claim_broadcast(session, broadcast.id, actor)
    if form.text("version") != str(locked.version):
        raise ConflictError("stale_version", "Somebody changed this message since you opened it: look at it first.")
    command = BroadcastChange(texts=_texts(form), area_ids=_area_ids(form), channels=_channels(form), is_restricted=form.has("restricted"))
    command = command.model_copy(update={"next_message_every_minutes": _every(form)})
    command.model_fields_set.add("next_message_every_minutes")
    if form.text("next_in") != "keep":
        promised = _promise(session, get_incident(session, broadcast.incident_id), form)
        command = command.model_copy(update={"next_message_at": promised})
        command.model_fields_set.add("next_message_at")
    actions.edit_broadcast(session, actor=actor, broadcast=locked, command=command)
    return go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@router.post("/submit")
def submit_form(request: Request, broadcast: BroadcastDep, session: Tx, actor: Writer, settings: SettingsDep) -> Response:
    """Freezes the list and asks for approval."""
    actions.submit_broadcast(session, actor=actor, broadcast_id=broadcast.id, configured=SenderSets.of(settings))
    return go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@router.post("/cancel")
def cancel_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Canceller) -> Response:
    actions.cancel_broadcast(session, actor=actor, broadcast_id=broadcast.id, reason=reason_of(form))
    return go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@router.post("/correct")
def correct_form(
    request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Corrector
) -> Response:
    """With texts an Update; without them a Cancel in the prepared words, so that nothing need be typed."""
    once = start_once(request, session, form, actor)
    is_update = form.text("msg_type") == MsgType.UPDATE
    command = Correction(msg_type=MsgType.UPDATE if is_update else MsgType.CANCEL, texts=_texts(form) if is_update else None)
    correction = correct_broadcast(session, actor=actor, broadcast_id=broadcast.id, command=command, configured=SenderSets.of(settings))
    return once.go(f"{root_of(request)}/broadcasts/{correction.id}")


def audience_now(session: Session, settings: Settings, broadcast: Broadcast, view: BroadcastView) -> AudienceView:
    """Who would get it if it were submitted now, whom it would not reach, and how long it would take."""
    select_people(session, areas_of(session, broadcast), lists_of(session, broadcast), status=broadcast.status)
    ground = ground_of(session, settings, is_exercise=broadcast.status is Status.EXERCISE)
    outlets = ways_of(session, broadcast, SenderSets.of(settings))
    asked = Asked(channels_of(outlets), broadcast.texts, segments_of(view.variants), broadcast.validity_seconds)
    return present_audience(ground, preview_selected(session, outlets), asked)


def _people_of(broadcast: Broadcast) -> list[UUID | None]:
    prepared = (broadcast.template_written_by, broadcast.template_approved_by, broadcast.confirmed_by)
    return [broadcast.created_by, broadcast.submitted_by, broadcast.approved_by, *prepared]


def _texts(form: Form) -> Texts:
    words = {"id": form.text("text_id", limit=1000), "en": form.text("text_en", limit=1000)}
    for language, text in words.items():
        if not text:
            raise InvalidError("text_missing", "The text is needed in both languages.", field=f"text_{language}")
    return Texts(**words)


def _promise(session: Session, incident: Incident, form: Form) -> datetime | None:
    """The promised time, to the minute, by the clock of the place."""
    typed = form.text("next_in", limit=4)
    if not typed:
        return None
    if typed not in map(str, PROMISES):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="next_in")
    areas = list_areas(session, incident.id)
    zone = (zone_of_area(areas[0].spec) if areas else None) or JAKARTA
    at = db_now(session).astimezone(zone) + timedelta(minutes=int(typed))
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _every(form: Form) -> int | None:
    """How often the promise is repeated; never without a promise."""
    typed = form.text("next_every", limit=4)
    if not typed or not form.text("next_in", limit=4):
        return None
    if typed not in map(str, PROMISES):
        raise InvalidError("unknown_choice", "Choose one of the values offered.", field="next_every")
    return int(typed)


def _area_ids(form: Form) -> list[UUID]:
    return [parse_id(each, "area_id") for each in form.all("area_id")]


def open_channels(settings: Settings, incident: Incident) -> list[Channel]:
    """Ways to choose from, in the order in which they are tried: the usual ones, and whichever else has a sender."""
    ours = channels_of(SenderSets.of(settings).outlets(is_exercise=incident.status is Status.EXERCISE))
    return [channel for channel in OPEN_CHANNELS if channel in USUAL_CHANNELS or channel in ours]


def _channels(form: Form) -> list[Channel]:
    chosen: list[Channel] = [channel for channel in OPEN_CHANNELS if channel in form.all("channel")]
    if not chosen:
        raise InvalidError("channel_missing", "Choose at least one way to send it.", field="channel")
    return chosen


def reason_of(form: Form) -> str:
    reason = form.text("reason", limit=1000)
    if not reason:
        raise InvalidError("reason_missing", "Say why.", field="reason")
    return reason
