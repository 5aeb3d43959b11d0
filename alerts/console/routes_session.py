"""Front page, signing in and out, the password, the language."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from alerts.console.forms import FormDep
from alerts.console.pages import LANGUAGE_COOKIE, Typed, go, local_path, render
from alerts.kit.db import Tx
from alerts.kit.errors import AppError, InvalidError
from alerts.kit.i18n import LANGUAGES
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import (
    CurrentActor,
    MaybeActor,
    SignedInActor,
    check_same_site,
    clear_session_cookie,
    client_address,
    is_secure,
    may,
    session_secret,
    set_session_cookie,
)
from alerts.staff.actions import change_password, set_language
from alerts.staff.queries import get_staff
from alerts.staff.rules import Permission
from alerts.staff.sign_in import Try, sign_in, sign_out

router = APIRouter(include_in_schema=False)
YEAR_SECONDS = 31_536_000


@router.get("/")
def front(actor: CurrentActor) -> Response:
    """Everybody's first page."""
    return go("/incidents" if may(actor, Permission.VIEW_INCIDENTS) else "/staff")


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    return render(request, "sign_in.html", {"next": local_path(request.query_params.get("next"))})


@router.post("/sign-in")
def sign_in_form(request: Request, form: FormDep, session: Tx, settings: SettingsDep, keyring: KeyringDep) -> Response:
    """A refusal is answered, not raised: the try must be counted."""
    check_same_site(request, is_cookie_needed=False)
    attempt = Try(form.text("username", limit=100), form.secret("password"), client_address(request, settings))
    outcome = sign_in(session, keyring=keyring, attempt=attempt)
    if isinstance(outcome, AppError):
        request.state.problem = {"code": outcome.code, "detail": outcome.detail, "field": None, **outcome.extra}
        request.state.typed = Typed([("username", attempt.username)])
        context = {"next": local_path(form.text("next"))}
        response: Response = render(request, "sign_in.html", context, status=int(outcome.status))
        response.headers.update(outcome.headers)
        return response
    response = go(local_path(form.text("next")))
    set_session_cookie(response, settings, outcome.secret)
    return response


@router.post("/sign-out")
def sign_out_form(request: Request, session: Tx, settings: SettingsDep, actor: SignedInActor) -> Response:
    sign_out(session, actor=actor, secret=session_secret(request, settings))
    response = go("/sign-in")
    clear_session_cookie(response, settings)
    return response


@router.get("/password")
def password_page(request: Request, session: Tx, actor: SignedInActor) -> Response:
    assert actor.staff_id is not None
    staff = get_staff(session, actor.staff_id)
    return render(request, "password.html", {"staff": staff}, actor=actor)


@router.post("/password")
def password_form(form: FormDep, session: Tx, actor: SignedInActor) -> Response:
    new = form.secret("new")
    if new != form.secret("new_again"):
        raise InvalidError("password_differs", "The new password was not typed the same twice.", field="new_again")
    change_password(session, actor=actor, current=form.secret("current"), new=new)
    return go("/")


@router.post("/language")
def language_form(request: Request, form: FormDep, session: Tx, settings: SettingsDep, actor: MaybeActor) -> Response:
    """For this browser, and for the account of whoever is signed in."""
    check_same_site(request, is_cookie_needed=False)
    language = form.text("language")
    if language not in LANGUAGES:
        raise InvalidError("language_unknown", "The languages are id and en.", field="language")
    if actor:
        set_language(session, actor=actor, language=language)
    response = go(local_path(form.text("next")))
    secure = is_secure(settings)
    response.set_cookie(LANGUAGE_COOKIE, language, YEAR_SECONDS, secure=secure, httponly=True, samesite="lax")
    return response
