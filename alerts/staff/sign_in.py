"""Signing in and out. A failed try is a fact that must be kept, so `sign_in` answers a refusal and does not raise it.

Throttled per account and per address by counting the recorded tries under an advisory lock, so that
a hundred tries at once count as a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from alerts.kit import audit
from alerts.kit.actor import Actor, Via
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.errors import AppError, ThrottledError, UnauthenticatedError
from alerts.staff.credentials import fingerprint, new_session_secret, verify_password
from alerts.staff.models import SignInAttempt, Staff, StaffSession
from alerts.staff.rules import (
    ACCOUNT_LIMIT,
    ADDRESS_LIMIT,
    KNOWN_ADDRESS_FOR,
    normalise_username,
    retry_after_seconds,
)


@dataclass(frozen=True)
class SignedIn:
    """The secret for the cookie (stored nowhere) and whose it is."""

    secret: str
    staff: Staff


@dataclass(frozen=True)
class Try:
    """One attempt as the web saw it. `address` is the peer's, never a header that anybody can write."""

    username: str
    password: str
    address: str


def sign_in(session: Session, *, keyring: Keyring, attempt: Try) -> SignedIn | AppError:
    """A new session for a right name and password, otherwise the refusal, to be answered after the commit.

    The refusal is the same for a wrong name, a wrong password and a disabled account, and takes as long.
    """
    account = keyring.blind_index(f"account:{normalise_username(attempt.username)}")
    address = keyring.blind_index(f"address:{attempt.address}")
    refusal = _throttle(session, account, address)
    if refusal:
        return refusal
    staff = session.scalar(select(Staff).where(Staff.username == normalise_username(attempt.username)))
    is_right = verify_password(attempt.password, staff.password_hash if staff else None)
    is_success = bool(is_right and staff and staff.is_active)
    session.add(SignInAttempt(account_index=account, address_index=address, is_success=is_success))
    if not is_success or staff is None:
        return UnauthenticatedError("sign_in_refused", "The user name or the password is not right.")
    return _begin_session(session, staff)


def sign_out(session: Session, *, actor: Actor, secret: str) -> None:
    """End this one session; safe to repeat."""
    ended = update(StaffSession).where(StaffSession.token_hash == fingerprint(secret), StaffSession.ended_at.is_(None))
    session.execute(ended.values(ended_at=db_now(session)))
    audit.record(session, actor=actor, action="session.ended", subject=("staff", actor.staff_id))


def actor_of(staff: Staff, via: Via) -> Actor:
    """How the rest of the system sees this account."""
    return Actor(
        via=via,
        staff_id=staff.id,
        role=staff.role,
        mission_code=staff.mission_code,
        language=staff.language,
        label=staff.display_name,
    )


def delete_old_attempts(session: Session) -> int:
    """Forget tries that no throttle looks at any more. Returns how many."""
    horizon = func.now() - KNOWN_ADDRESS_FOR
    gone = delete(SignInAttempt).where(SignInAttempt.attempted_at < horizon).returning(SignInAttempt.id)
    return len(session.scalars(gone).all())


def _begin_session(session: Session, staff: Staff) -> SignedIn:
    secret = new_session_secret()
    session.add(StaffSession(staff_id=staff.id, token_hash=fingerprint(secret)))
    session.flush()
    audit.record(session, actor=actor_of(staff, Via.SESSION), action="session.began", subject=("staff", staff.id))
    return SignedIn(secret, staff)


def _throttle(session: Session, account: bytes, address: bytes) -> ThrottledError | None:
    """Look first without waiting, so that a storm of tries is refused cheaply; then once more under the locks."""
    wait = _wait_seconds(session, account, address)
    if not wait:
        # Always the address first: two requests can never wait for each other.
        for key in (address, account):
            session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(key[:8], signed=True))))
        wait = _wait_seconds(session, account, address)
    if not wait:
        return None
    return ThrottledError("sign_in_throttled", "Too many failed sign-ins: wait and try again.", retry_after=wait)


def _wait_seconds(session: Session, account: bytes, address: bytes) -> int:
    now = session.scalar(select(func.clock_timestamp()))
    assert now is not None
    by_address = SignInAttempt.address_index == address
    by_account = SignInAttempt.account_index == account
    if _is_known(session, by_account & by_address, now):
        by_account &= by_address
    return max(
        retry_after_seconds(_failures(session, by_address, now, ADDRESS_LIMIT.failures), ADDRESS_LIMIT, now),
        retry_after_seconds(_failures(session, by_account, now, ACCOUNT_LIMIT.failures), ACCOUNT_LIMIT, now),
    )


def _is_known(session: Session, both: ColumnElement[bool], now: datetime) -> bool:
    known = select(SignInAttempt.id).where(both, SignInAttempt.is_success, SignInAttempt.attempted_at > now - KNOWN_ADDRESS_FOR)
    return session.scalar(known.limit(1)) is not None


def _failures(session: Session, whose: ColumnElement[bool], now: datetime, limit: int) -> Sequence[datetime]:
    window = max(ACCOUNT_LIMIT.window, ADDRESS_LIMIT.window)
    found = select(SignInAttempt.attempted_at).where(whose, ~SignInAttempt.is_success, SignInAttempt.attempted_at > now - window)
    return session.scalars(found.order_by(SignInAttempt.attempted_at.desc()).limit(limit)).all()
