"""Prepared words for tests: written by one person, approved by another."""

from __future__ import annotations

from itertools import count

from sqlalchemy.orm import Session

from alerts.broadcasts.models import MessageTemplate
from alerts.broadcasts.schemas import Approval, TemplateDraft
from alerts.broadcasts.template_rules import TemplateKind
from alerts.broadcasts.templates import approve_template, write_template
from tests.factories.staff import make_actor

_numbers = count(1)
WORDS = {
    TemplateKind.FIRST_ALERT: {
        "id": "Gempa kuat di {place} pukul {time}. Jauhi gedung retak.",
        "en": "Strong earthquake in {place} at {time}. Keep away from cracked buildings.",
    },
    TemplateKind.CANCEL: {"id": "Abaikan pesan kami sebelumnya.", "en": "Disregard our earlier message."},
    TemplateKind.UPDATE: {"id": "Pesan kami sebelumnya keliru.", "en": "Our earlier message was wrong."},
}


def make_template(
    session: Session, kind: TemplateKind = TemplateKind.FIRST_ALERT, *, is_in_use: bool = True, **fields: object
) -> MessageTemplate:
    """One version; in use unless told otherwise."""
    values: dict[str, object] = {"template_code": f"uji_{next(_numbers)}", "kind": kind, "title": "Uji", "texts": WORDS[kind]}
    author = make_actor(session, "duty_officer")
    template = write_template(session, actor=author, command=TemplateDraft.model_validate(values | fields))
    if is_in_use:
        approval = Approval(content_hash=template.content_hash)
        approve_template(session, actor=make_actor(session, "approver"), template_id=template.id, command=approval)
    return template
