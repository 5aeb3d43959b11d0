"""Staff administration: accounts and their tokens."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from alerts.console.forms import Form, FormDep
from alerts.console.pages import go, render
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.missions.queries import list_missions
from alerts.notices.presenting import present_contacts
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.actions import (
    IssuedSecret,
    NewStaff,
    create_staff,
    create_token,
    disable_staff,
    enable_staff,
    reset_staff,
    revoke_token,
)
from alerts.staff.queries import get_staff, list_staff, list_tokens
from alerts.staff.rules import MISSION_ROLES, Permission, Role

router = APIRouter(prefix="/staff", include_in_schema=False)
Manager = Annotated[Actor, Depends(require(Permission.MANAGE_STAFF))]


@router.get("")
def staff_page(request: Request, session: Tx, actor: Manager) -> Response:
    return render(request, "staff.html", {"accounts": list_staff(session)}, actor=actor)


@router.get("/new")
def new_staff_page(request: Request, session: Tx, actor: Manager) -> Response:
    context = {"roles": list(Role), "mission_roles": MISSION_ROLES, "missions": list_missions(session, limit=500)}
    return render(request, "staff_new.html", context, actor=actor)


@router.post("/new")
def new_staff_form(request: Request, form: FormDep, session: Tx, actor: Manager) -> Response:
    """The generated password is in this answer and nowhere else, so there is no redirect."""
    issued = create_staff(session, actor=actor, command=_command(form))
    return _secret_page(request, session, actor, issued.id, issued.secret)


@router.get("/{staff_id}")
def account_page(staff_id: UUID, request: Request, session: Tx, settings: SettingsDep, actor: Manager) -> Response:
    context = {"account": get_staff(session, staff_id), "tokens": list_tokens(session, staff_id)}
    context |= {"contacts": present_contacts(session, settings.keyring, staff_id).items}
    return render(request, "staff_account.html", context, actor=actor)


@router.post("/{staff_id}/disable")
def disable_form(staff_id: UUID, session: Tx, actor: Manager) -> Response:
    disable_staff(session, actor=actor, staff_id=staff_id)
    return go(f"/staff/{staff_id}")


@router.post("/{staff_id}/enable")
def enable_form(staff_id: UUID, session: Tx, actor: Manager) -> Response:
    enable_staff(session, actor=actor, staff_id=staff_id)
    return go(f"/staff/{staff_id}")


@router.post("/{staff_id}/reset")
def reset_form(staff_id: UUID, request: Request, session: Tx, actor: Manager) -> Response:
    issued = reset_staff(session, actor=actor, staff_id=staff_id)
    return _secret_page(request, session, actor, staff_id, issued.secret)


@router.post("/{staff_id}/tokens")
def token_form(staff_id: UUID, request: Request, form: FormDep, session: Tx, actor: Manager) -> Response:
    issued: IssuedSecret = create_token(session, actor=actor, staff_id=staff_id, name=form.text("name", limit=100))
    return _secret_page(request, session, actor, staff_id, issued.secret, is_token=True)


@router.post("/{staff_id}/tokens/{token_id}/revoke")
def revoke_form(staff_id: UUID, token_id: UUID, session: Tx, actor: Manager) -> Response:
    revoke_token(session, actor=actor, token_id=token_id)
    return go(f"/staff/{staff_id}")


def _command(form: Form) -> NewStaff:
    role = form.text("role")
    if role not in set(Role):
        raise InvalidError("role_unknown", "Choose one of the roles.", field="role")
    return NewStaff(
        username=form.text("username", limit=100),
        display_name=form.text("display_name", limit=200),
        role=Role(role),
        mission_code=form.optional("mission_code", limit=100),
        language=form.text("language") or "id",
    )


def _secret_page(request: Request, session: Session, actor: Actor, staff_id: UUID, secret: str, *, is_token: bool = False) -> Response:
    context = {"account": get_staff(session, staff_id), "secret": secret, "is_token": is_token}
    return render(request, "staff_secret.html", context, actor=actor)
