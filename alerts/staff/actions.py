"""Accounts: create, disable, reset, and hand out API tokens. Signing in is in `sign_in.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.kit import audit
from alerts.kit.actor import SYSTEM, Actor
from alerts.kit.clock import db_now
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.kit.i18n import LANGUAGES, N_
from alerts.staff.credentials import fingerprint, hash_password, new_api_token, new_password, verify_password
from alerts.staff.models import ApiToken, Staff, StaffSession
from alerts.staff.rules import (
    Role,
    mission_problem,
    normalise_username,
    password_problem,
    username_problem,
)

SENTENCES = {
    "username_form": N_("A user name has 3 to 64 of the characters a-z, 0-9, dot, dash and underscore."),
    "password_too_short": N_("A password has at least 12 characters."),
    "password_too_long": N_("A password has at most 200 characters."),
    "password_too_simple": N_("This password is too simple: use a sentence or several words."),
    "mission_required": N_("This role belongs to a mission: name it."),
    "mission_not_allowed": N_("This role belongs to no mission: leave the mission empty."),
}


@dataclass(frozen=True)
class NewStaff:
    """What a new account needs. `password` empty: one is generated and must be changed at the first sign-in."""

    username: str
    display_name: str
    role: Role
    mission_code: str | None = None
    language: str = "id"
    password: str = ""


@dataclass(frozen=True)
class IssuedSecret:
    """A secret that is shown once and stored nowhere."""

    id: UUID
    secret: str


def create_staff(session: Session, *, actor: Actor, command: NewStaff) -> IssuedSecret:
    """Make an account. Returns its id and the password to hand over (empty if the caller chose one).

    Raises InvalidError (field named) for a name, password, mission or language that will not do,
    ConflictError if the user name is taken.
    """
    username = normalise_username(command.username)
    generated = "" if command.password else new_password()
    password = command.password or generated
    _check_new(username, password, command)
    if session.scalar(select(Staff.id).where(Staff.username == username)):
        raise ConflictError("username_taken", "An account with this user name exists.", field="username")
    staff = Staff(
        username=username,
        display_name=command.display_name.strip(),
        role=command.role,
        mission_code=command.mission_code or None,
        language=command.language,
        password_hash=hash_password(password),
        must_change_password=bool(generated),
    )
    session.add(staff)
    session.flush()
    audit.record(session, actor=actor, action="staff.created", subject=("staff", staff.id), detail={"role": staff.role})
    return IssuedSecret(staff.id, generated)


def create_first_administrator(session: Session, *, username: str, password: str, display_name: str = "") -> UUID:
    """The account that makes all others; for the command line alone.

    Raises ConflictError when an active administrator exists already.
    """
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("siaga.first_administrator"))))
    if _count_administrators(session):
        raise ConflictError("administrator_exists", "An administrator exists: sign in as that one to make accounts.")
    command = NewStaff(username, display_name or username, Role.ADMINISTRATOR, password=password)
    if not password:
        raise InvalidError("password_required", "The password is read from the standard input.", field="password")
    return create_staff(session, actor=SYSTEM, command=command).id


def disable_staff(session: Session, *, actor: Actor, staff_id: UUID) -> None:
    """Shut an account. Its sessions and tokens stop at their next request.

    Raises ConflictError for the own account and for the last active administrator.
    """
    staff = _lock(session, staff_id)
    if staff.id == actor.staff_id:
        raise ConflictError("own_account", "Another administrator must disable your account.")
    # Two administrators disabling each other at once must not both succeed.
    session.execute(select(Staff.id).where(Staff.role == Role.ADMINISTRATOR).order_by(Staff.id).with_for_update())
    if staff.role is Role.ADMINISTRATOR and staff.is_active and _count_administrators(session) == 1:
        raise ConflictError("last_administrator", "This is the last administrator: make another one first.")
    staff.is_active = False
    _end_sessions(session, staff_id)
    audit.record(session, actor=actor, action="staff.disabled", subject=("staff", staff_id))


def enable_staff(session: Session, *, actor: Actor, staff_id: UUID) -> None:
    """Open a disabled account again. Its old sessions stay ended; its tokens work again unless revoked."""
    _lock(session, staff_id).is_active = True
    audit.record(session, actor=actor, action="staff.enabled", subject=("staff", staff_id))


def reset_staff(session: Session, *, actor: Actor, staff_id: UUID, password: str = "") -> IssuedSecret:
    """Give a new password (generated unless named) and end every session of the account."""
    staff = _lock(session, staff_id)
    generated = "" if password else new_password()
    _set_password(staff, password or generated)
    staff.must_change_password = bool(generated)
    _end_sessions(session, staff_id)
    audit.record(session, actor=actor, action="staff.reset", subject=("staff", staff_id))
    return IssuedSecret(staff_id, generated)


def change_password(session: Session, *, actor: Actor, current: str, new: str) -> None:
    """The person's own change. Raises InvalidError when `current` is wrong or `new` will not do."""
    if actor.staff_id is None:
        raise NotFoundError("staff_not_found", "There is no such account.")
    staff = _lock(session, actor.staff_id)
    if not verify_password(current, staff.password_hash):
        raise InvalidError("password_wrong", "The present password is not right.", field="current")
    if new == current:
        raise InvalidError("password_same", "The new password is the old one.", field="new")
    _set_password(staff, new)
    staff.must_change_password = False
    audit.record(session, actor=actor, action="staff.password_changed", subject=("staff", staff.id))


def set_language(session: Session, *, actor: Actor, language: str) -> None:
    """The language of the account's pages."""
    if language not in LANGUAGES:
        raise InvalidError("language_unknown", "The languages are id and en.", field="language")
    session.execute(update(Staff).where(Staff.id == actor.staff_id).values(language=language))


def create_token(session: Session, *, actor: Actor, staff_id: UUID, name: str) -> IssuedSecret:
    """A bearer token that acts as the account. The secret is shown once; only its hash is stored."""
    staff = _lock(session, staff_id)
    if not staff.is_active:
        raise ConflictError("staff_disabled", "The account is disabled.")
    secret = new_api_token()
    token = ApiToken(staff_id=staff_id, name=name.strip()[:100], token_hash=fingerprint(secret))
    session.add(token)
    session.flush()
    audit.record(session, actor=actor, action="token.created", subject=("token", token.id))
    return IssuedSecret(token.id, secret)


def revoke_token(session: Session, *, actor: Actor, token_id: UUID) -> None:
    """Stop a token at its next request. Safe to repeat."""
    token = session.get(ApiToken, token_id, with_for_update=True)
    if token is None:
        raise NotFoundError("token_not_found", "There is no such token.")
    token.revoked_at = token.revoked_at or db_now(session)
    audit.record(session, actor=actor, action="token.revoked", subject=("token", token_id))


def _lock(session: Session, staff_id: UUID) -> Staff:
    staff = session.get(Staff, staff_id, with_for_update=True)
    if staff is None:
        raise NotFoundError("staff_not_found", "There is no such account.")
    return staff


def _check_new(username: str, password: str, command: NewStaff) -> None:
    _refuse("username", username_problem(username))
    _refuse("password", password_problem(password, username))
    _refuse("mission_code", mission_problem(command.role, command.mission_code))
    if not command.display_name.strip():
        raise InvalidError("display_name_required", "The account needs a name to show.", field="display_name")
    if command.language not in LANGUAGES:
        raise InvalidError("language_unknown", "The languages are id and en.", field="language")


def _refuse(field: str, problem: str | None) -> None:
    if problem:
        raise InvalidError(problem, SENTENCES[problem], field=field)


def _set_password(staff: Staff, password: str) -> None:
    _refuse("password", password_problem(password, staff.username))
    staff.password_hash = hash_password(password)


def _count_administrators(session: Session) -> int:
    counted = select(func.count()).where(Staff.role == Role.ADMINISTRATOR, Staff.is_active)
    return session.scalar(counted) or 0


def _end_sessions(session: Session, staff_id: UUID) -> None:
    now: datetime = db_now(session)
    live = (StaffSession.staff_id == staff_id) & StaffSession.ended_at.is_(None)
    session.execute(update(StaffSession).where(live).values(ended_at=now))
