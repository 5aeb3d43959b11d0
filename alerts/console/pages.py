"""How a page is made: templates, words, clocks, and the headers that keep foreign script out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alerts.console.assets import static_url
from alerts.console.clocks import as_machine_time
from alerts.kit.actor import Actor
from alerts.kit.i18n import JAKARTA, Translator, choose_language, translator
from alerts.places import place_name
from alerts.staff.access import may
from alerts.staff.rules import Permission, Role

TEMPLATE_FOLDER = Path(__file__).resolve().parent / "templates"
LANGUAGE_COOKIE = "siaga_language"
EXERCISE_PREFIX = "/exercise"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; img-src 'self' data: blob:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that browsers send `Origin: null`, and our own forms would be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
    "Cache-Control": "no-store",
}


class Typed(dict[str, str]):
    """What was typed into a refused form: the first value by name, and all values of a field that repeats."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)
        super().__init__(reversed(self._fields))

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._fields if key == name]


def typed_in(request: Request) -> Typed:
    """What was typed, when this page is shown again after a refusal; else empty."""
    typed: Typed = getattr(request.state, "typed", None) or Typed()
    return typed


@cache
def environment() -> Environment:
    """One strict, escaping Jinja environment: a name that is not given is an error, not an empty text."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.globals["static_url"] = static_url
    env.filters["iso"] = as_machine_time
    env.filters["country"] = place_name
    return env


def language_of(request: Request, actor: Actor | None) -> str:
    """The language that this reader chose, has in the account, or has in the browser."""
    return choose_language(request.cookies.get(LANGUAGE_COOKIE), actor.language if actor else None, request.headers.get("accept-language"))


def is_exercise(request: Request) -> bool:
    """Whether the page lies on the route of exercises."""
    return request.url.path.startswith(f"{EXERCISE_PREFIX}/")


def render(request: Request, template: str, context: Mapping[str, Any], *, actor: Actor | None = None, status: int = 200) -> HTMLResponse:
    """The page in the reader's language. A form that was refused is shown again with what was typed."""
    words = translator(language_of(request, actor))
    body = environment().get_template(template).render(**_common(request, actor, words), **context)
    return HTMLResponse(body, status, SECURITY_HEADERS)


def go(path: str) -> RedirectResponse:
    """After a form: the browser fetches the page anew, and a reload repeats nothing."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def local_path(wanted: str | None) -> str:
    """A path of this site to go on to; anything else becomes the front page."""
    is_ours = bool(wanted) and wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted if wanted else False
    return wanted if is_ours and wanted and wanted.isprintable() else "/"


def _common(request: Request, actor: Actor | None, words: Translator) -> dict[str, Any]:
    return {
        "_": words.gettext,
        "ngettext": words.ngettext,
        "number": words.number,
        "percent": words.percent,
        "age": words.age,
        "time": lambda at, zone=JAKARTA: _time(words, at, zone),
        "lang": words.lang,
        "path": request.url.path + (f"?{request.url.query}" if request.url.query and request.method == "GET" else ""),
        "actor": actor,
        "may": lambda name: actor is not None and may(actor, Permission(name)),
        "is_role": lambda name: actor is not None and actor.role == Role(name),
        "exercise": is_exercise(request),
        "root": EXERCISE_PREFIX if is_exercise(request) else "",
        "problem": getattr(request.state, "problem", None),
        "typed": typed_in(request),
        "form_key": uuid4().hex,
    }


def _time(words: Translator, at: datetime | None, zone: ZoneInfo) -> str:
    return words.time(at, zone) if at else "–"
