"""Prepared words and what is done with them: the first alert and its hold, corrections with one click, reminders, latecomers."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from alerts.broadcasts import first_alerts, templates, waves
from alerts.broadcasts.audience import select_people
from alerts.broadcasts.models import MessageTemplate
from alerts.broadcasts.queries import list_texts
from alerts.broadcasts.rules import MsgType
from alerts.broadcasts.schemas import Approval, Correction, FirstAlert, FollowUp, TemplateDraft, Texts, WaveApproval
from alerts.broadcasts.template_rules import PROPOSED_CORRECTIONS, TemplateKind
from alerts.channels.rule_book_outlets import SenderSets
from alerts.console.elsewhere import IncidentDep
from alerts.console.first_texts import FIRST_TEXTS, first_alert_texts
from alerts.console.forms import Form, FormDep, parse_id
from alerts.console.incident_forms import KIND_NAMES, read_word
from alerts.console.once import start_once
from alerts.console.pages import render
from alerts.console.routes_broadcasts import PROMISES, BroadcastDep
from alerts.console.routes_incidents import root_of
from alerts.deliveries.correcting import correct_broadcast
from alerts.deliveries.following import follow_up
from alerts.incidents.models import Incident, IncidentArea
from alerts.incidents.queries import list_areas
from alerts.incidents.rules import Kind, Status
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import AppError, InvalidError
from alerts.kit.http import Paging
from alerts.kit.i18n import JAKARTA
from alerts.places import zone_of_area
from alerts.settings import SettingsDep
from alerts.staff.access import require, require_session_actor
from alerts.staff.queries import names_of
from alerts.staff.rules import Permission

router = APIRouter(prefix="/prepared", include_in_schema=False)
first_router = APIRouter(prefix="/incidents/{incident_id}/first-alert", include_in_schema=False)
after_router = APIRouter(prefix="/broadcasts/{broadcast_id}", include_in_schema=False)
Writer = Annotated[Actor, Depends(require(Permission.WRITE_BROADCAST))]
Canceller = Annotated[Actor, Depends(require(Permission.CANCEL_BROADCAST))]
Approver = Annotated[Actor, Depends(require_session_actor(Permission.APPROVE_BROADCAST))]
Reader = Annotated[Actor, Depends(require(Permission.CORRECT_BROADCAST))]
Corrector = Annotated[Actor, Depends(require_session_actor(Permission.CORRECT_BROADCAST))]
Releaser = Annotated[Actor, Depends(require_session_actor(Permission.RELEASE_FIRST_ALERT))]
WaveNumber = Annotated[int, Path(ge=2, le=100_000)]
SHOWN = 200


@router.get("")
def prepared_page(request: Request, session: Tx, actor: Reader) -> Response:
    """What may be sent by one person, what waits for a second, and a form for more."""
    rows = templates.list_templates(session, Paging(None, SHOWN))
    context = {
        "rows": [row for row in rows if row.retired_at is None],
        "names": names_of(session, [each for row in rows for each in (row.created_by, row.approved_by)]),
        "kind_names": KIND_NAMES,
        "kinds": list(TemplateKind),
        "events": list(KIND_NAMES.items()),
        "promises": PROMISES,
        "is_empty": not rows,
    }
    return render(request, "prepared.html", context, actor=actor)


@router.post("")
def write_form(request: Request, form: FormDep, session: Tx, actor: Writer) -> Response:
    once = start_once(request, session, form, actor)
    event = form.text("event_kind", limit=60)
    command = _draft(
        template_code=form.text("code", limit=40),
        kind=read_word(form, "kind", TemplateKind),
        event_kind=read_word(form, "event_kind", Kind) if event else None,
        title=form.text("title", limit=100),
        texts={"id": form.text("text_id", limit=1000), "en": form.text("text_en", limit=1000)},
        next_message_every_minutes=form.text("next_every", limit=4) or None,
    )
    templates.write_template(session, actor=actor, command=command)
    return once.go("/prepared")


@router.post("/proposals")
def proposals_form(request: Request, form: FormDep, session: Tx, actor: Writer) -> Response:
    """Take over every proposal for which there are no words yet, so that nobody need type; a second person approves each."""
    once = start_once(request, session, form, actor)
    known = {row.code for row in templates.list_templates(session, Paging(None, SHOWN))}
    for command in _proposals():
        if command.template_code not in known:
            templates.write_template(session, actor=actor, command=command)
    return once.go("/prepared")


@router.post("/{template_id}/approve")
def approve_form(template_id: UUID, request: Request, form: FormDep, session: Tx, actor: Approver) -> Response:
    once = start_once(request, session, form, actor)
    command = Approval(content_hash=_hash_of(form))
    templates.approve_template(session, actor=actor, template_id=template_id, command=command)
    return once.go("/prepared")


@router.post("/{template_id}/retire")
def retire_form(template_id: UUID, request: Request, form: FormDep, session: Tx, actor: Canceller) -> Response:
    once = start_once(request, session, form, actor)
    templates.retire_template(session, actor=actor, template_id=template_id)
    return once.go("/prepared")


@first_router.get("")
def first_alert_page(
    request: Request,
    incident: IncidentDep,
    session: Tx,
    settings: SettingsDep,
    actor: Releaser,
    template: Annotated[str, Query(max_length=36)] = "",
    area: Annotated[str, Query(max_length=36)] = "",
    hotline: Annotated[str, Query(max_length=21)] = "",
) -> Response:
    """Everything is chosen beforehand where it can be: mostly there is one thing to press."""
    usable = templates.list_usable(session, [TemplateKind.FIRST_ALERT], incident.kind)
    areas = list_areas(session, incident.id)
    chosen, place = _pick(usable, template), _pick(areas, area)
    context: dict[str, Any] = {"incident": incident, "usable": usable, "areas": areas, "chosen": chosen, "place": place, "hotline": hotline}
    context |= {"hold_seconds": round(settings.delivery.hold_seconds), "texts": [], "people": None, "fault": None}
    if chosen is not None and place is not None:
        context["people"] = select_people(session, [place], [], status=incident.status)
        context |= _shown(session, incident, _first_alert(incident, chosen, place, hotline), settings.public_url)
    return render(request, "first_alert.html", context, actor=actor)


@first_router.post("")
def first_alert_form(
    request: Request, form: FormDep, incident: IncidentDep, session: Tx, settings: SettingsDep, actor: Releaser
) -> Response:
    once = start_once(request, session, form, actor)
    template = templates.get_template(session, parse_id(form.text("template", limit=36), "template"))
    area_id = parse_id(form.text("area", limit=36), "area")
    area = next((each for each in list_areas(session, incident.id) if each.id == area_id), None)
    if area is None:
        raise InvalidError("unknown_area", "This incident has no such area.", field="area")
    command = _first_alert(incident, template, area, form.text("hotline", limit=21))
    broadcast = first_alerts.release_first_alert(session, actor=actor, incident_id=incident.id, command=command, settings=settings)
    return once.go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@after_router.post("/confirm")
def confirm_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Approver) -> Response:
    once = start_once(request, session, form, actor)
    first_alerts.confirm_first_alert(session, actor=actor, broadcast_id=broadcast.id, command=Approval(content_hash=_hash_of(form)))
    return once.go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@after_router.post("/correct-prepared")
def correct_prepared_form(
    request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Corrector
) -> Response:
    """One click: what still waits is cancelled, and who may have it is told."""
    once = start_once(request, session, form, actor)
    template = templates.get_template(session, parse_id(form.text("template", limit=36), "template"))
    msg_type = MsgType.UPDATE if template.kind is TemplateKind.UPDATE else MsgType.CANCEL
    command = Correction(msg_type=msg_type, template_id=template.id)
    correction = correct_broadcast(session, actor=actor, broadcast_id=broadcast.id, command=command, configured=SenderSets.of(settings))
    return once.go(f"{root_of(request)}/broadcasts/{correction.id}")


@after_router.post("/follow-up")
def follow_up_form(request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, settings: SettingsDep, actor: Writer) -> Response:
    once = start_once(request, session, form, actor)
    words = {"id": form.text("text_id", limit=1000), "en": form.text("text_en", limit=1000)}
    for language, words_of in words.items():
        if not words_of:
            raise InvalidError("text_missing", "The text is needed in both languages.", field=f"text_{language}")
    command = FollowUp(texts=Texts(**words))
    reminder = follow_up(session, actor=actor, broadcast_id=broadcast.id, command=command, configured=SenderSets.of(settings))
    return once.go(f"{root_of(request)}/broadcasts/{reminder.id}")


@after_router.post("/waves/{wave}/approve")
def approve_wave_form(wave: WaveNumber, request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Approver) -> Response:
    once = start_once(request, session, form, actor)
    typed = "".join(filter(str.isdigit, form.text("count", limit=9)))
    command = WaveApproval(count=int(typed or 0))
    waves.approve_wave(session, actor=actor, broadcast_id=broadcast.id, wave=wave, count=command.count)
    return once.go(f"{root_of(request)}/broadcasts/{broadcast.id}")


@after_router.post("/waves/{wave}/decline")
def decline_wave_form(wave: WaveNumber, request: Request, form: FormDep, broadcast: BroadcastDep, session: Tx, actor: Approver) -> Response:
    once = start_once(request, session, form, actor)
    waves.decline_wave(session, actor=actor, broadcast_id=broadcast.id, wave=wave)
    return once.go(f"{root_of(request)}/broadcasts/{broadcast.id}")


def _pick(choices: list[Any], wanted: str) -> Any:
    """The chosen one, else the first; None where there is none."""
    return next((each for each in choices if str(each.id) == wanted), choices[0] if choices else None)


def _first_alert(incident: Incident, template: MessageTemplate, area: IncidentArea, hotline: str) -> FirstAlert:
    """The time is said by the clock of the place."""
    zone = zone_of_area(area.spec) or JAKARTA
    return FirstAlert(template_id=template.id, area_id=area.id, hotline=hotline or None, at=incident.occurred_at.astimezone(zone))


def _shown(session: Session, incident: Incident, command: FirstAlert, public_url: str) -> dict[str, Any]:
    """The texts, or what is missing for them: a preview says what is wrong, it is never an error page."""
    try:
        texts, _ = first_alerts.say_first_alert(session, incident, command)
    except AppError as error:
        return {"fault": error.detail}
    sizes = [each for each in list_texts(texts, public_url, is_exercise=incident.status is Status.EXERCISE) if each.variant == "plain"]
    return {"texts": [(language, next(each for each in sizes if each.language == language)) for language in ("id", "en")]}


def _draft(**fields: Any) -> TemplateDraft:
    """Pydantic says what a field of a form may not be, in the words of a form."""
    try:
        return TemplateDraft.model_validate(fields)
    except ValueError as error:
        field = str(error.errors()[0]["loc"][0]).removeprefix("template_") if hasattr(error, "errors") else "code"
        raise InvalidError("form_incomplete", "Fill in this field as described beside it.", field=field) from error


def _proposals() -> list[TemplateDraft]:
    fixed = {"kind": TemplateKind.FIRST_ALERT}
    first = [
        _draft(template_code=f"awal_{kind}", event_kind=kind, title=KIND_NAMES[kind]["id"], texts=first_alert_texts(kind), **fixed)
        for kind in FIRST_TEXTS
    ]
    titles = {TemplateKind.CANCEL: "Batalkan pesan", TemplateKind.UPDATE: "Pesan keliru sebagian"}
    return first + [
        _draft(template_code=f"koreksi_{kind}", kind=kind, title=titles[kind], texts=dict(texts))
        for kind, texts in PROPOSED_CORRECTIONS.items()
    ]


def _hash_of(form: Form) -> str:
    text = form.text("content_hash", limit=64)
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise InvalidError("form_incomplete", "The form is incomplete: open the page again.", field="content_hash")
    return text
