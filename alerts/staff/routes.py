"""Sign in, sign out, and who am I."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from alerts.kit.actor import Actor, Via
from alerts.kit.db import Tx
from alerts.kit.errors import AppError, problem_of, problem_response
from alerts.settings import KeyringDep, SettingsDep
from alerts.staff.access import (
    SignedInActor,
    check_same_site,
    clear_session_cookie,
    client_address,
    session_secret,
    set_session_cookie,
)
from alerts.staff.models import Staff
from alerts.staff.queries import get_staff
from alerts.staff.rules import PERMISSIONS
from alerts.staff.schemas import MeView, SignIn
from alerts.staff.sign_in import Try, actor_of, sign_in, sign_out

router = APIRouter(prefix="/api/v1", tags=["staff"])


@router.post(
    "/session",
    status_code=201,
    response_model=MeView,
    operation_id="sign_in",
    responses={
        401: {"description": "wrong name or password"},
        403: {"description": "another site asked the browser to sign in"},
        429: {"description": "too many tries; Retry-After"},
    },
)
def post_session(body: SignIn, request: Request, session: Tx, settings: SettingsDep, keyring: KeyringDep) -> Response:
    """Sign in; the answer sets the session cookie.

    The one acting POST without an Idempotency-Key: repeating it makes another session and nothing else,
    and a stored answer would keep the cookie's secret.
    """
    check_same_site(request, is_cookie_needed=False)
    attempt = Try(body.username, body.password, client_address(request, settings))
    outcome = sign_in(session, keyring=keyring, attempt=attempt)
    if isinstance(outcome, AppError):
        return problem_response(outcome.status, problem_of(outcome), outcome.headers)
    view = _me(outcome.staff, actor_of(outcome.staff, Via.SESSION))
    response = JSONResponse(view.model_dump(mode="json"), 201)
    set_session_cookie(response, settings, outcome.secret)
    return response


@router.delete("/session", status_code=204, operation_id="sign_out")
def delete_session(request: Request, session: Tx, settings: SettingsDep, actor: SignedInActor) -> Response:
    """End this session. A token has none: it is revoked by an administrator."""
    sign_out(session, actor=actor, secret=session_secret(request, settings))
    response = Response(status_code=204)
    clear_session_cookie(response, settings)
    return response


@router.get("/me", operation_id="get_me")
def get_me(session: Tx, actor: SignedInActor) -> MeView:
    """The account behind the cookie or the token, and what it may do."""
    assert actor.staff_id is not None
    return _me(get_staff(session, actor.staff_id), actor)


def _me(staff: Staff, actor: Actor) -> MeView:
    fields = {name: getattr(staff, name) for name in MeView.model_fields if hasattr(staff, name)}
    return MeView(**fields, via=actor.via, permissions=sorted(PERMISSIONS[staff.role]))
