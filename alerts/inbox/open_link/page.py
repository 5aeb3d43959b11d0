"""The open form: small, without script, nothing loaded from elsewhere, and the same words whoever it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from uuid import uuid4

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from alerts.checkins.cases.words import clock
from alerts.checkins.page import LANGUAGE_NAMES, PAGE_HEADERS, page_style
from alerts.checkins.rules import Answer
from alerts.inbox.models import InboundMessage
from alerts.inbox.open_link.rules import NAME_MAX, NOTE_MAX, PHONE_MAX, PLACE_MAX
from alerts.inbox.rules import Understood
from alerts.kit.i18n import Translator

LIMITS = {"name": NAME_MAX, "phone": PHONE_MAX, "place": PLACE_MAX, "note": NOTE_MAX}


def open_page(t: Translator, *, path: str, is_exercise: bool, typed: Mapping[str, str] | None = None) -> HTMLResponse:
    """The form; with `typed`, again, since something was missing (422)."""
    words = t.gettext("Tap one of the two buttons and give a telephone number, so that we can reach you.")
    more = {"typed": typed or {}, "problem": words if typed is not None else None}
    return _page(t, 200 if typed is None else 422, title=t.gettext("Are you safe?"), action=path, is_exercise=is_exercise, **more)


def thanks_page(t: Translator, *, path: str, is_exercise: bool, kept: InboundMessage) -> HTMLResponse:
    """What was kept, and who has it. Says nothing of whether the register knows the number."""
    at = clock(t, kept.received_at)
    if kept.understood == Understood.NEED_HELP:
        saved = t.gettext("We have your call for help. The crisis centre in Jakarta has it since %(at)s.", at=at)
    else:
        saved = t.gettext("Thank you. We have noted at %(at)s that you say you are safe.", at=at)
    return _page(t, 200, title=t.gettext("Are you safe?"), action=path, is_exercise=is_exercise, saved=saved)


def gone_page(t: Translator) -> HTMLResponse:
    """404, the same for a foreign code and for an incident that is over."""
    words = t.gettext("Copy the whole link from the message once more, or call the nearest Indonesian mission.")
    return _page(t, 404, title=t.gettext("This link does not work"), fault=words)


def wait_page(t: Translator, *, path: str, is_exercise: bool, seconds: int, typed: Mapping[str, str]) -> HTMLResponse:
    """429: too many from one address. What was typed is still there; in danger a call is quicker."""
    words = t.gettext("Very many answers come from your network. Wait a moment and send it again; in danger, call the nearest mission.")
    page = _page(t, 429, title=t.gettext("Are you safe?"), action=path, is_exercise=is_exercise, typed=typed, problem=words)
    page.headers["Retry-After"] = str(seconds)
    return page


def _page(t: Translator, status: int, **values: object) -> HTMLResponse:
    style, policy = page_style()
    known: dict[str, object] = {"problem": None, "fault": None, "saved": None, "action": "", "is_exercise": False, "typed": {}}
    known |= {"limits": LIMITS, "form_key": uuid4().hex, "answers": list(Answer), "style": style, "languages": LANGUAGE_NAMES}
    content = _template().render(known | {"t": t, "_": t.gettext} | values)
    headers = {**PAGE_HEADERS, "Content-Security-Policy": policy, "Content-Language": t.lang}
    return HTMLResponse(content, status, headers)


@cache
def _template() -> Template:
    loader = PackageLoader("alerts.inbox.open_link", "templates")
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return env.get_template("open.html")
