"""The citizen's one page: two large buttons, no personal data, under 10 KB, nothing loaded from elsewhere.

It needs no script; a small one of ours offers alerts in this browser, where Web Push is set up.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Protocol

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from alerts.checkins.rules import NOTE_CHARACTERS, Answer
from alerts.kit.i18n import Translator

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Vary": "Accept-Language",
}
LANGUAGE_NAMES = (("id", "Bahasa Indonesia"), ("en", "English"))


class Saved(Protocol):
    """An answer that is written."""

    @property
    def answer(self) -> Answer: ...
    @property
    def received_at(self) -> datetime: ...


def answer_page(
    t: Translator, *, token: str, is_exercise: bool, push_key: str = "", saved: Saved | None = None, told: str | None = None
) -> HTMLResponse:
    """The question, or (after `saved`) what was noted, with the buttons to change it. An exercise says so, in another colour.

    `push_key`: browsers may subscribe for it. Only then the page has a script, and that shows its button only where it works.
    `told`: what is true of the person's open call for help; shown to whoever has just answered, never to one who only looks.
    """
    more = {}
    if saved is not None:
        noted = t.gettext("Noted at %(time)s.", time=t.time(saved.received_at))
        more = {"saved": _saved_words(t, saved.answer, has_case=told is not None), "saved_more": f"{told} {noted}" if told else noted}
    action = f"{'/exercise' if is_exercise else ''}/i/{token}?lang={t.lang}"
    return _page(t, 200, title=t.gettext("Are you safe?"), action=action, is_exercise=is_exercise, push_key=push_key, **more)


def bad_link_page(t: Translator) -> HTMLResponse:
    """404 in words a citizen can use. The same for every bad link: nothing is told about which ones exist."""
    words = t.gettext("Copy the whole link from the message once more, or call the nearest Indonesian mission.")
    return _page(t, 404, title=t.gettext("This link does not work"), problem=words)


def _page(t: Translator, status: int, **values: object) -> HTMLResponse:
    style, policy = page_style()
    if values.get("push_key"):
        policy += "; script-src 'self'; connect-src 'self'; worker-src 'self'"
    known = {
        "push_key": "",
        "problem": None,
        "saved": None,
        "saved_more": None,
        "action": "",
        "is_exercise": False,
        "note_characters": NOTE_CHARACTERS,
    }
    content = _template().render(known | {"t": t, "_": t.gettext, "style": style, "languages": LANGUAGE_NAMES} | values)
    headers = {**PAGE_HEADERS, "Content-Security-Policy": policy, "Content-Language": t.lang}
    return HTMLResponse(content, status, headers)


def _saved_words(t: Translator, answer: Answer, *, has_case: bool) -> str:
    if answer is Answer.SAFE and has_case:
        return t.gettext("We have noted that you say you are safe. Your call for help stays open until one of us has spoken with you.")
    if answer is Answer.SAFE:
        return t.gettext("Thank you. We have noted: you are safe.")
    if answer is Answer.NEED_HELP:
        return t.gettext("We have noted: you need help.")
    return t.gettext("Thank you. We have noted your answer.")


@cache
def _template() -> Template:
    loader = PackageLoader("alerts.checkins", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).get_template(
        "answer.html"
    )


@cache
def page_style() -> tuple[Markup, str]:
    """Our own style sheet, inline so that one request is all; the policy names its hash and allows nothing else."""
    text = files("alerts.checkins").joinpath("templates", "answer.css").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return Markup(text), policy  # noqa: S704 - a file of this package
