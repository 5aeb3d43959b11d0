"""Making, giving, using and taking back one-time codes. None commits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.clock import db_now
from alerts.kit.crypto import Keyring
from alerts.kit.errors import ConflictError, InvalidError, NotFoundError
from alerts.missions.queries import find_mission
from alerts.reports.code_lists.models import LapsitCode, LapsitCodeList
from alerts.reports.code_lists.queries import get_code_list, list_code_lists
from alerts.reports.code_lists.rules import CODE_DIGITS, IN_FORCE_MAX, SIZE_DEFAULT, SIZE_MAX, Verdict, verdict_of


@dataclass(frozen=True)
class IssuedCodes:
    """A new list with its codes in clear, in the order of their numbers: shown once, kept nowhere."""

    row: LapsitCodeList
    codes: tuple[str, ...] = field(repr=False)


def issue_code_list(session: Session, *, actor: Actor, keyring: Keyring, mission_code: str, size: int = SIZE_DEFAULT) -> IssuedCodes:
    """Make a list of one-time codes for a mission. 422: no such mission or size. 409: it has enough lists in force."""
    if find_mission(session, mission_code) is None:
        raise NotFoundError("mission_not_found", "There is no such mission.")
    if not 1 <= size <= SIZE_MAX:
        raise InvalidError("size", "A list has 1 to 100 codes.", field="size")
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"lapsit codes:{mission_code}"))))
    if sum(each.row.revoked_at is None and each.unused > 0 for each in list_code_lists(session, mission_code)) >= IN_FORCE_MAX:
        raise ConflictError("enough_lists", "This mission has three lists in force: take one back first.")
    row = LapsitCodeList(mission_code=mission_code, size=size, made_by=actor.key)
    session.add(row)
    session.flush()
    session.refresh(row)
    codes = _draw(session, keyring, mission_code, size)
    rows = [
        {"list_id": row.id, "number": number, "code_index": index_of(keyring, mission_code, code)} for number, code in enumerate(codes, 1)
    ]
    session.execute(insert(LapsitCode), rows)
    detail = {"mission": mission_code, "size": size}
    audit.record(session, actor=actor, action="lapsit_codes.issued", subject=("lapsit_code_list", row.id), detail=detail)
    return IssuedCodes(row, codes)


def revoke_code_list(session: Session, *, actor: Actor, mission_code: str, list_id: UUID, reason: str) -> LapsitCodeList:
    """Take a list back (lost, seen by somebody): at once none of its codes is worth anything. 409: it was before."""
    row = get_code_list(session, mission_code, list_id, is_locked=True)
    if row.revoked_at is not None:
        raise ConflictError("list_revoked", "This list was taken back before.")
    if len(reason.strip()) < 3:
        raise InvalidError("reason_missing", "Say why it is taken back.", field="reason")
    row.revoked_at, row.revoked_by, row.revoke_reason = db_now(session), actor.key, reason.strip()
    session.flush()
    detail = {"mission": row.mission_code, "reason": row.revoke_reason}
    audit.record(session, actor=actor, action="lapsit_codes.revoked", subject=("lapsit_code_list", row.id), detail=detail)
    return row


def weigh_code(session: Session, keyring: Keyring, *, mission_code: str, digits: str) -> tuple[Verdict, LapsitCode | None]:
    """What a code is worth to this mission now; locked, so that it cannot be used twice at once."""
    query = select(LapsitCode).where(LapsitCode.code_index == index_of(keyring, mission_code, digits)).with_for_update()
    code = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if code is None:
        return Verdict.WRONG, None
    of = session.get_one(LapsitCodeList, code.list_id, with_for_update={"read": True}, populate_existing=True)
    return verdict_of(is_known=True, is_used=code.used_at is not None, is_revoked=of.revoked_at is not None), code


def use_code(session: Session, code: LapsitCode, report_id: UUID) -> None:
    """The report was filed with it: it is worth nothing any more."""
    code.used_at, code.report_id = db_now(session), report_id
    session.flush()


def index_of(keyring: Keyring, mission_code: str, digits: str) -> bytes:
    """The fingerprint of a code: another mission's same digits have another one."""
    return keyring.blind_index(f"lapsit:{mission_code}:{digits}")


def _draw(session: Session, keyring: Keyring, mission_code: str, size: int) -> tuple[str, ...]:
    """So many codes that this mission never had: one that comes again would read "used"."""
    drawn: dict[str, bytes] = {}
    while len(drawn) < size:
        fresh = {f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}" for _ in range(size - len(drawn))} - set(drawn)
        indexes = {code: index_of(keyring, mission_code, code) for code in fresh}
        had = set(session.scalars(select(LapsitCode.code_index).where(LapsitCode.code_index.in_(indexes.values()))))
        drawn |= {code: index for code, index in indexes.items() if index not in had}
    return tuple(drawn)
