"""Accounts for tests, without paying for a password hash each time."""

from __future__ import annotations

from functools import cache
from itertools import count

from sqlalchemy.orm import Session

from alerts.kit.actor import Actor, Via
from alerts.settings import Settings
from alerts.staff.access import cookie_name
from alerts.staff.credentials import fingerprint, hash_password, new_api_token, new_session_secret
from alerts.staff.models import ApiToken, Staff, StaffSession
from alerts.staff.rules import MISSION_ROLES, Role
from alerts.staff.sign_in import actor_of

PASSWORD = "kopi gempa laut jam"
_numbers = count(1)


@cache
def password_hash() -> str:
    """The hash of PASSWORD, made once per process."""
    return hash_password(PASSWORD)


def make_staff(session: Session, role: Role | str = Role.DUTY_OFFICER, **fields: object) -> Staff:
    """An active account whose password is PASSWORD; mission roles get kbri-ankara unless told otherwise."""
    role, number = Role(role), next(_numbers)
    values: dict[str, object] = {
        "username": f"{role.value.replace('_', '.')}.{number}",
        "display_name": f"{role.value.replace('_', ' ').title()} {number}",
        "role": role,
        "mission_code": "kbri-ankara" if role in MISSION_ROLES else None,
        "password_hash": password_hash(),
    }
    if fields.get("mission_code") is None:
        fields.pop("mission_code", None)
    staff = Staff(**(values | fields))
    session.add(staff)
    session.flush()
    session.refresh(staff)
    return staff


def make_actor(session: Session, role: Role | str = Role.DUTY_OFFICER, via: Via = Via.SESSION, **fields: object) -> Actor:
    """An account and how the system sees it."""
    return actor_of(make_staff(session, role, **fields), via)


def make_session(session: Session, staff: Staff) -> str:
    """A signed-in browser; returns the cookie's secret."""
    secret = new_session_secret()
    session.add(StaffSession(staff_id=staff.id, token_hash=fingerprint(secret)))
    session.flush()
    return secret


def session_headers(session: Session, staff: Staff, settings: Settings, base_url: str = "http://testserver") -> dict[str, str]:
    """Headers of a signed-in browser: the cookie, and the Origin that a change needs."""
    return {"Cookie": f"{cookie_name(settings)}={make_session(session, staff)}", "Origin": base_url}


def token_headers(session: Session, staff: Staff) -> dict[str, str]:
    """Headers of an API client that acts as the account."""
    secret = new_api_token()
    session.add(ApiToken(staff_id=staff.id, name="test", token_hash=fingerprint(secret)))
    session.flush()
    return {"Authorization": f"Bearer {secret}"}
