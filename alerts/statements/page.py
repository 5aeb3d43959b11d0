"""The public pages: what was published, how it changed, which rumours are true, whether a message is ours.

No script, nothing from elsewhere, nothing personal, cacheable by anybody. What the sheet says by now is not told here: that a
figure has changed may itself be news that nobody may have yet. Every text carries the time of which it is true.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from alerts.incidents.rules import Status
from alerts.kit.http import etag_of, is_unchanged
from alerts.kit.i18n import Translator
from alerts.kit.text import visible
from alerts.statements.models import Rumour, Statement
from alerts.statements.queries import FoundAlert, Shown, public_path, spoken
from alerts.statements.rules import State, Verdict

CACHED = {"Cache-Control": "public, max-age=30", "Vary": "Accept-Language", "X-Content-Type-Options": "nosniff"}
SAFE = {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
LANGUAGE_NAMES = (("id", "Bahasa Indonesia"), ("en", "English"))


def public_page(t: Translator, shown: Shown, *, path: str, public_url: str) -> HTMLResponse:
    """What stands, then the answers to rumours, then the history."""
    is_exercise = shown.page.status is Status.EXERCISE
    current = shown.current
    values = {
        "title": shown.heading[t.lang],
        "path": path,
        "feed": None if is_exercise else f"{path}/feed.atom",
        "current": current,
        "earlier": [each for each in shown.statements if each is not current],
        "rumours": shown.rumours,
        "is_exercise": is_exercise,
        "said": lambda row: spoken_apart(row, t.lang),
        "is_withdrawn": lambda row: row.state is State.WITHDRAWN,
        "address": f"{public_url}{path}",
    }
    return _page(t, "public.html", values, headers=CACHED)


def alert_page(t: Translator, *, code: str, found: FoundAlert | None) -> HTMLResponse:
    """A form for the code at the end of a message, and (after `code`) whether the message is ours."""
    values = {
        "title": t.gettext("Is this message from us?"),
        "code": code,
        "found": found,
        "is_exercise": bool(found and found.is_exercise),
    }
    status = 404 if code and found is None else 200
    return _page(t, "alert.html", values, headers={"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}, status=status)


def missing_page(t: Translator) -> HTMLResponse:
    """The same for whatever is not public: nothing is told of what exists."""
    values = {"title": t.gettext("There is nothing at this address"), "is_exercise": False}
    return _page(t, "missing.html", values, headers={"Cache-Control": "no-store"}, status=404)


def feed_of(t: Translator, shown: Shown, public_url: str) -> str:
    """Statements and answers as Atom, newest first."""
    entries = [*(_entry(t, row) for row in shown.statements), *(_answer(t, row) for row in shown.rumours)]
    address = public_url + public_path(shown.page.status, shown.page.slug)
    values = {
        "lang": t.lang,
        "title": shown.heading[t.lang],
        "address": address,
        "entries": sorted(entries, key=lambda each: each["at"], reverse=True),
    }
    return visible(_template("feed.xml").render(values))  # what stands for ever may be older than the rule that keeps such signs out


def cached(request: Request, response: Response) -> Response:
    """With a tag over the very bytes, so that it changes whenever they do; 304 for whoever has them."""
    response.headers["ETag"] = etag_of(bytes(response.body).hex())
    if is_unchanged(request, response.headers["ETag"]):
        return Response(status_code=304, headers=CACHED | {"ETag": response.headers["ETag"]})
    return response


def spoken_apart(row: Statement, language: str) -> list[tuple[str, str]]:
    """The clauses without the hotlines, which stand on a page as a list to be tapped."""
    return [(key, text) for key, text in spoken(row, language) if key != "hotlines"]


def _entry(t: Translator, row: Statement) -> dict[str, Any]:
    name = t.gettext("Statement %(number)s", number=t.number(row.number))
    if row.state is State.WITHDRAWN:
        name = f"{name} ({t.gettext('withdrawn')})"
    text = " ".join(text for _, text in spoken(row, t.lang))
    return {"id": row.id, "title": name, "at": row.published_at, "updated": row.withdrawn_at or row.published_at, "text": text}


def _answer(t: Translator, row: Rumour) -> dict[str, Any]:
    verdict = t.gettext("TRUE") if row.verdict is Verdict.TRUE else t.gettext("NOT TRUE")
    title = f"{verdict}: {row.claim[t.lang]}"
    return {"id": row.id, "title": title, "at": row.published_at, "updated": row.published_at, "text": row.explanation[t.lang]}


def _page(t: Translator, template: str, values: Mapping[str, Any], *, headers: dict[str, str], status: int = 200) -> HTMLResponse:
    style, policy = _style()
    content = _template(template).render({"t": t, "_": t.gettext, "style": style, "languages": LANGUAGE_NAMES, **values})
    return HTMLResponse(content, status, SAFE | headers | {"Content-Security-Policy": policy, "Content-Language": t.lang})


@cache
def _template(name: str) -> Template:
    loader = PackageLoader("alerts.statements", "templates")
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters["tel"] = lambda number: "".join(c for c in number if c.isdigit() or c == "+")
    return env.get_template(name)


@cache
def _style() -> tuple[Markup, str]:
    """Our own style sheet, inline so that one request is all; the policy names its hash and allows nothing else."""
    text = files("alerts.statements").joinpath("templates", "public.css").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return Markup(text), policy  # noqa: S704 - a file of this package
