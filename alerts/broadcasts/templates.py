"""Prepared words: written by one person, approved by another, then used without typing. A change is a new version."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from alerts.broadcasts import template_rules
from alerts.broadcasts.models import MessageTemplate
from alerts.broadcasts.schemas import Approval, TemplateDraft, TemplateView
from alerts.broadcasts.template_rules import TemplateKind, TemplateState
from alerts.incidents.rules import Kind
from alerts.kit.actor import Actor
from alerts.kit.audit import record
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, ForbiddenError, NotFoundError
from alerts.kit.http import Paging
from alerts.staff.access import check_session_actor


def write_template(session: Session, *, actor: Actor, command: TemplateDraft) -> MessageTemplate:
    """A new version of the words of this code; it waits for another person. Until then the version before stays in use."""
    if actor.staff_id is None:
        raise ForbiddenError("session_required", "This needs a person who is signed in; a token cannot do it.")
    texts = template_rules.check_template_texts(command.texts.model_dump(), command.kind)
    every = template_rules.check_rhythm(command.next_message_every_minutes, command.kind)
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:code, 0))"), {"code": f"template:{command.template_code}"})
    newest = session.execute(select(func.max(MessageTemplate.version)).where(MessageTemplate.code == command.template_code)).scalar_one()
    version = (newest or 0) + 1
    template = MessageTemplate(
        code=command.template_code,
        version=version,
        kind=command.kind,
        event_kind=command.event_kind,
        title=command.title,
        texts=texts,
        next_message_every_minutes=every,
        content_hash=template_rules.template_hash(
            code=command.template_code, version=version, kind=command.kind, texts=texts, every_minutes=every
        ),
        created_by=actor.staff_id,
    )
    session.add(template)
    session.flush()
    session.refresh(template)
    _log(session, template, actor, "template.written")
    return template


def approve_template(session: Session, *, actor: Actor, template_id: UUID, command: Approval) -> MessageTemplate:
    """Put a version in use; the one before is retired. Needs a signed-in person who did not write it."""
    template = claim_template(session, template_id)
    check_session_actor(actor)
    _check_decider(actor, template)
    if template.state is not TemplateState.WAITING:
        raise ConflictError("not_waiting", "These words do not wait for approval.", state=template.state.value)
    if command.content_hash != template.content_hash:
        raise ConflictError("content_changed", "this is no longer what was submitted", content_hash=template.content_hash)
    in_use = (MessageTemplate.code == template.code, MessageTemplate.approved_at.is_not(None), MessageTemplate.retired_at.is_(None))
    now = db_now(session)
    for before in session.scalars(select(MessageTemplate).where(*in_use).with_for_update()):
        before.retired_at, before.retired_by = now, actor.staff_id
    session.flush()
    template.approved_by, template.approved_via, template.approved_at = actor.staff_id, actor.via.value, now
    session.flush()
    _log(session, template, actor, "template.approved")
    return template


def retire_template(session: Session, *, actor: Actor, template_id: UUID) -> MessageTemplate:
    """Take words out of use, or refuse a version that waits. One person is enough to say less."""
    template = claim_template(session, template_id)
    if template.state is TemplateState.RETIRED:
        raise ConflictError("already_retired", "These words are out of use already.")
    template.retired_at, template.retired_by = db_now(session), actor.staff_id
    session.flush()
    _log(session, template, actor, "template.retired")
    return template


def get_template(session: Session, template_id: UUID) -> MessageTemplate:
    """One version; NotFoundError where there is none."""
    template = session.get(MessageTemplate, template_id)
    if template is None:
        raise NotFoundError("template_not_found", "There are no such prepared words.")
    return template


def claim_template(session: Session, template_id: UUID) -> MessageTemplate:
    """The same, locked until the transaction ends."""
    get_template(session, template_id)
    query = select(MessageTemplate).where(MessageTemplate.id == template_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def list_templates(session: Session, page: Paging) -> list[MessageTemplate]:
    """All versions, newest first, one more than asked for."""
    query = select(MessageTemplate).order_by(MessageTemplate.id.desc()).limit(page.limit + 1)
    return list(session.scalars(query.where(MessageTemplate.id < page.cursor) if page.cursor else query))


def list_usable(session: Session, kinds: Sequence[TemplateKind], event_kind: Kind | None = None) -> list[MessageTemplate]:
    """Words in use for these purposes; those for this kind of event first, those for other kinds of event not at all."""
    in_use = (MessageTemplate.approved_at.is_not(None), MessageTemplate.retired_at.is_(None), MessageTemplate.kind.in_(kinds))
    found = session.scalars(select(MessageTemplate).where(*in_use).order_by(MessageTemplate.code))
    fitting = [each for each in found if event_kind is None or template_rules.fits_event(each.event_kind, event_kind)]
    return sorted(fitting, key=lambda each: (each.event_kind is None, each.code))


def present_template(template: MessageTemplate) -> TemplateView:
    """The wire form."""
    return TemplateView.model_validate(template)


def _check_decider(actor: Actor, template: MessageTemplate) -> None:
    """Who tried to be both people is written down although the request is refused."""
    try:
        template_rules.check_template_decider(decider=actor.staff_id, author=template.created_by)
    except ForbiddenError as error:
        subject = ("template", template.id)
        error.remember = partial(record, actor=actor, action="template.decision_refused", subject=subject, detail={"code": error.code})
        raise


def _log(session: Session, template: MessageTemplate, actor: Actor, action: str) -> None:
    detail = {"code": template.code, "version": template.version, "hash": template.content_hash}
    record(session, actor=actor, action=action, subject=("template", template.id), detail=detail)
