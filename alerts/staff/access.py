"""Who is asking, and may they: the dependencies that every route of staff begins with.

A person comes with a session cookie, an API client with `Authorization: Bearer …`. Requests that change
something and carry the cookie must come from our own pages (Origin), whatever the site that sent them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from alerts.kit.actor import Actor, Via
from alerts.kit.db import Tx
from alerts.kit.errors import ForbiddenError, UnauthenticatedError
from alerts.settings import Settings, SettingsDep
from alerts.staff.queries import find_staff_by_session, find_staff_by_token
from alerts.staff.rules import Permission, Role, is_allowed
from alerts.staff.sign_in import actor_of

SECURE_COOKIE = "__Host-siaga"
LOOPBACK_COOKIE = "siaga_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def find_actor(request: Request, session: Tx, settings: SettingsDep) -> Actor | None:
    """The account behind the cookie or the bearer token, or None for nobody, an ended or idle session,
    a revoked token, a disabled account.

    Raises ForbiddenError for a change that another site asked the browser to make.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        staff, via = find_staff_by_token(session, secret.strip()), Via.TOKEN
    else:
        check_same_site(request)
        staff, via = (
            find_staff_by_session(
                session,
                session_secret(request, settings),
                idle=timedelta(seconds=settings.web.session_idle_seconds),
                absolute=timedelta(seconds=settings.web.session_absolute_seconds),
                is_person=not is_by_itself(request),
            ),
            Via.SESSION,
        )
    request.state.must_change_password = via is Via.SESSION and staff is not None and staff.must_change_password
    return actor_of(staff, via) if staff else None


MaybeActor = Annotated[Actor | None, Depends(find_actor, scope="function")]


def signed_in_actor(actor: MaybeActor) -> Actor:
    """Somebody, even one who has still to change a password that was handed over. Raises UnauthenticatedError."""
    if actor is None:
        raise UnauthenticatedError("not_signed_in", "Sign in, or send a valid bearer token.")
    return actor


SignedInActor = Annotated[Actor, Depends(signed_in_actor, scope="function")]


def current_actor(request: Request, actor: SignedInActor) -> Actor:
    """Who acts, for every route that does or shows something of the service.

    Raises UnauthenticatedError for nobody, and ForbiddenError while a handed-over password is unchanged:
    whoever handed it over must not be able to act in another's name.
    """
    if request.state.must_change_password:
        raise ForbiddenError("password_change_required", "Change the password that you were given first.")
    return actor


CurrentActor = Annotated[Actor, Depends(current_actor, scope="function")]


def may(actor: Actor, permission: Permission) -> bool:
    """Whether the actor's role has the right; for pages that show or hide a button."""
    return bool(actor.role) and is_allowed(Role(actor.role), permission)


def check_permission(actor: Actor, permission: Permission) -> None:
    """Raises ForbiddenError naming the right that is missing."""
    if not may(actor, permission):
        raise ForbiddenError("not_permitted", "Your role may not do this.", permission=permission.value)


def require(permission: Permission) -> Callable[[Actor], Actor]:
    """A dependency that gives the actor if the role has the right, e.g. `Depends(require(Permission.X))`."""

    def permitted(actor: CurrentActor) -> Actor:
        check_permission(actor, permission)
        return actor

    return permitted


def check_session_actor(actor: Actor) -> None:
    """Some acts need a person at a screen; a token is refused."""
    if actor.via is not Via.SESSION:
        raise ForbiddenError("session_required", "This needs a person who is signed in; a token cannot do it.")


def require_session_actor(permission: Permission) -> Callable[[Actor], Actor]:
    """Like `require`, for acts such as approval that a token can never do."""

    def permitted(actor: CurrentActor) -> Actor:
        check_permission(actor, permission)
        check_session_actor(actor)
        return actor

    return permitted


def check_same_site(request: Request, *, is_cookie_needed: bool = True) -> None:
    """Refuse a change that a browser sends on behalf of another site.

    The Origin's host must be the request's own Host. Without an Origin the browser's own
    `Sec-Fetch-Site: same-origin` is accepted. Nothing of either: refused, unless no session is at stake
    (`is_cookie_needed` False: signing in, where only a *foreign* Origin is refused).
    """
    if request.method in SAFE_METHODS or (is_cookie_needed and not _has_any_cookie(request)):
        return
    origin = request.headers.get("origin")
    if origin is None:
        sent_by = request.headers.get("sec-fetch-site")
        is_ours = sent_by == "same-origin" or (sent_by is None and not is_cookie_needed)
    else:
        is_ours = _host_of(origin) == request.headers.get("host", "").lower() != ""
    if not is_ours:
        raise ForbiddenError("cross_site", "A change with a session cookie needs our own Origin header.", field="header.Origin")


def is_by_itself(request: Request) -> bool:
    """Whether a page asks without a person: a stream, or a part that renews itself. Such requests keep no session awake."""
    headers = request.headers
    return "x-part" in headers or "hx-request" in headers or headers.get("accept", "").startswith("text/event-stream")


def is_secure(settings: Settings) -> bool:
    """Whether people reach us by https; then the cookie is bound to the host and never sent in clear."""
    return urlsplit(settings.public_url).scheme == "https"


def cookie_name(settings: Settings) -> str:
    return SECURE_COOKIE if is_secure(settings) else LOOPBACK_COOKIE


def session_secret(request: Request, settings: Settings) -> str:
    return request.cookies.get(cookie_name(settings), "")


def set_session_cookie(response: Response, settings: Settings, secret: str) -> None:
    """HttpOnly, this host only, not sent from other sites; the server decides when it ends."""
    response.set_cookie(cookie_name(settings), secret, path="/", secure=is_secure(settings), httponly=True, samesite="lax")


def clear_session_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(cookie_name(settings), path="/", secure=is_secure(settings), httponly=True, samesite="lax")


def client_address(request: Request, settings: Settings) -> str:
    """The peer of the socket; behind trusted proxies the nearest address that is not one of them.

    X-Forwarded-For is read from the right, and only as far as trusted proxies wrote it.
    """
    peer = request.client.host if request.client else "unknown"
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    while hops and _is_trusted(peer, settings.web.trusted_proxies):
        peer = hops.pop()
    return peer


def _is_trusted(address: str, proxies: str) -> bool:
    try:
        parsed = ip_address(address)
        return any(parsed in ip_network(proxy.strip(), strict=False) for proxy in proxies.split(",") if proxy.strip())
    except ValueError:
        return False


def _host_of(origin: str) -> str:
    """Empty for what is no address at all."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _has_any_cookie(request: Request) -> bool:
    return SECURE_COOKIE in request.cookies or LOOPBACK_COOKIE in request.cookies
