"""Use cases of the register: importing a file, opting out and in, devices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import IO
from uuid import UUID

from sqlalchemy import Select, case, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from alerts.citizens.imports.loading import Loader, OnProgress, Tally, TooManyRowsError
from alerts.citizens.imports.reading import RegisterFile
from alerts.citizens.models import Citizen, Device, ImportRun, OptChange, Phone
from alerts.citizens.rules import DevicePlatform, ImportState, LinkUsed, OptSource, RowOutcome
from alerts.kit import audit
from alerts.kit.actor import Actor
from alerts.kit.crypto import Keyring
from alerts.kit.db import new_id
from alerts.kit.errors import ConflictError, InvalidError, TooLargeError
from alerts.kit.outbox import publish

IMPORT_LOCK = 7_104_222


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """`home_country`: where a number written nationally may also be from. `encoding`: None finds out."""

    home_country: str = "ID"
    encoding: str | None = None
    rows_max: int | None = None
    on_progress: OnProgress | None = None


def import_citizens(
    session: Session,
    keyring: Keyring,
    *,
    file: IO[bytes],
    actor: Actor,
    is_dry_run: bool = False,
    options: ImportOptions | None = None,
) -> tuple[ImportRun, Tally]:
    """Bring a CSV file into the register, in this one transaction; the same file again changes nothing.

    People are matched by `external_id`; a row's outcome is created, updated, unchanged or rejected, stored and
    readable by line. Dry: everything is read and judged, no person is written. A blank phone or device never takes
    one away, opting out is never taken back, a newer place is never replaced by an older one. Publishes
    `citizens.imported`. Raises InvalidError for a file of another kind, without our columns or without one acceptable
    row (`errors` then says why, per row), TooLargeError beyond `options.rows_max`, ConflictError while another runs.
    """
    options = options or ImportOptions()
    if not session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK}).scalar_one():
        raise ConflictError("import_running", "another import is running; try again when it has ended", retry_after=10)
    register = RegisterFile(file, encoding=options.encoding)
    run = _start(session, actor, register, is_dry_run=is_dry_run)
    loader = Loader(session, keyring, run_id=run.id, is_dry_run=is_dry_run, home_country=options.home_country)
    try:
        loader.load(register, on_progress=options.on_progress, rows_max=options.rows_max)
    except TooManyRowsError as error:
        raise TooLargeError("too_many_rows", f"at most {error.limit} rows in one file; split it", field="file") from None
    _check_any_good(loader.tally)
    _finish(session, actor, run, counts=loader.tally.counts, sha256=register.sha256)
    return run, loader.tally


def record_opt_out(session: Session, *, e164_index: bytes | None = None, citizen_id: UUID | None = None, source: OptSource) -> list[UUID]:
    """Whoever has this number (or: this person) gets no more messages; the ids of those for whom that is new."""
    return _set_opt(session, _holders(e164_index, citizen_id), source, is_out=True)


def record_opt_in(session: Session, *, e164_index: bytes | None = None, citizen_id: UUID | None = None, source: OptSource) -> list[UUID]:
    """The person wants messages again; the ids of those for whom that is new."""
    return _set_opt(session, _holders(e164_index, citizen_id), source, is_out=False)


def register_device(
    session: Session, keyring: Keyring, *, citizen_id: UUID, token: str, seen_at: datetime | None = None, link: LinkUsed | None = None
) -> UUID:
    """Remember that this person's device takes push messages; its id. A token that another person had is theirs no more.

    `link`: it came by a personal link. That never replaces what staff or an import registered: ConflictError.
    """
    index = keyring.blind_index(token)
    if link is not None:
        _check_replaceable(session, index, citizen_id)
    moved = (Device.token_index == index, Device.citizen_id != citizen_id, Device.retired_at.is_(None))
    session.execute(update(Device).where(*moved).values(retired_at=func.now()))
    device_id = new_id(session)
    seal = keyring.encrypt(token, table="device", column="token_enc", row=device_id)
    seen = seen_at or func.now()
    values = {"id": device_id, "citizen_id": citizen_id, "token_enc": seal, "token_index": index, "last_seen_at": seen}
    values |= {"link_member_id": link and link.member_id, "link_generation": link and link.generation}
    statement = upsert(Device).values(**values, platform=DevicePlatform.FCM)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["token_index"],
        index_where=Device.retired_at.is_(None),
        set_={
            "last_seen_at": func.greatest(Device.last_seen_at, new.last_seen_at),
            # What staff or an import registered stays so, whatever link it is seen by again.
            "link_member_id": case((Device.link_member_id.is_not(None), new.link_member_id)),
            "link_generation": case((Device.link_member_id.is_not(None), new.link_generation)),
        },
    )
    found: UUID = session.execute(statement.returning(Device.id)).scalar_one()
    return found


def _check_replaceable(session: Session, index: bytes, citizen_id: UUID) -> None:
    registered = (
        Device.token_index == index,
        Device.citizen_id != citizen_id,
        Device.retired_at.is_(None),
        Device.link_member_id.is_(None),
    )
    if session.scalar(select(Device.id).where(*registered)) is not None:
        raise ConflictError("registered_otherwise", "This address is registered otherwise; a link cannot change that.")


def retire_device(session: Session, device_id: UUID) -> None:
    """The push service says that the token is gone."""
    session.execute(update(Device).where(Device.id == device_id, Device.retired_at.is_(None)).values(retired_at=func.now()))


def _start(session: Session, actor: Actor, register: RegisterFile, *, is_dry_run: bool) -> ImportRun:
    run = ImportRun(actor=actor.key, is_dry_run=is_dry_run, state=ImportState.RUNNING, counts={})
    run.encoding, run.delimiter, run.ignored_columns = register.encoding, register.delimiter, register.ignored
    session.add(run)
    session.flush()
    return run


def _finish(session: Session, actor: Actor, run: ImportRun, *, counts: Counter[str], sha256: bytes) -> None:
    run.state, run.file_sha256 = ImportState.DONE, sha256
    run.counts = {name: counts[name] for name in (*(outcome.value for outcome in RowOutcome), "warnings")}
    run.finished_at = func.clock_timestamp()
    session.flush()
    session.refresh(run)
    detail = {"is_dry_run": run.is_dry_run, **run.counts}
    audit.record(session, actor=actor, action="citizens.imported", subject=("import", run.id), detail=detail)
    if not run.is_dry_run:
        publish(session, "citizens.imported", import_id=run.id)


def _check_any_good(tally: Tally) -> None:
    rejected = tally.counts[RowOutcome.REJECTED]
    if sum(tally.counts[outcome] for outcome in RowOutcome) == 0:
        raise InvalidError("no_rows", "there is no row behind the header", field="file")
    if rejected == sum(tally.counts[outcome] for outcome in RowOutcome):
        errors = [
            {"field": f"row[{refusal['line']}].{problem['field']}", "code": problem["code"], "message": problem["message"]}
            for refusal in tally.refusals
            for problem in refusal["problems"]
            if problem["is_fatal"]
        ]
        raise InvalidError("no_acceptable_row", f"none of the {rejected} rows is acceptable", field="file", errors=errors)


def _holders(e164_index: bytes | None, citizen_id: UUID | None) -> Select[UUID]:
    if e164_index is None:
        return select(Citizen.id).where(Citizen.id == citizen_id)
    return select(Phone.citizen_id).where(Phone.e164_index == e164_index, Phone.retired_at.is_(None))


def _set_opt(session: Session, holders: Select[UUID], source: OptSource, *, is_out: bool) -> list[UUID]:
    differs = Citizen.opted_out_at.is_(None) if is_out else Citizen.opted_out_at.is_not(None)
    change = update(Citizen).where(Citizen.id.in_(holders), differs).values(opted_out_at=func.now() if is_out else None)
    changed = list(session.scalars(change.returning(Citizen.id)))
    if changed:
        session.execute(insert(OptChange), [{"citizen_id": each, "is_out": is_out, "source": source} for each in changed])
        for each in changed:
            publish(session, "citizen.opted_out" if is_out else "citizen.opted_in", citizen_id=each)
    return changed
