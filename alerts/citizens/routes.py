"""Register imports over HTTP: upload a CSV, read back what became of each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from alerts.citizens.actions import ImportOptions, import_citizens
from alerts.citizens.models import ImportRow
from alerts.citizens.queries import get_import, list_import_rows, list_imports
from alerts.citizens.routes_addresses import router as addresses
from alerts.citizens.rules import RowOutcome, csv_safe
from alerts.citizens.schemas import ImportList, ImportResult, ImportView, RowList, result_of, row_view
from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import TooLargeError
from alerts.kit.http import LIMIT_DEFAULT, LIMIT_MAX, PagingDep, page_of
from alerts.kit.idempotency import Idem
from alerts.settings import SettingsDep
from alerts.staff.access import require
from alerts.staff.rules import Permission

PREFIX = "/api/v1/imports"
router = APIRouter(tags=["citizens"])
router.include_router(addresses)
Importer = Annotated[Actor, Depends(require(Permission.IMPORT_CITIZENS))]
# A request may take no longer than its statements' time-outs; larger files go by the command line.
ROWS_MAX = 50_000
EXPORT_PAGE = 1000
EXAMPLE = "external_id,name,phone,country,province\nWNI-1,Contoh Nama,+62 812-3456-789,TR,Hatay\n"


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(
    PREFIX,
    status_code=201,
    response_model=ImportResult,
    responses={413: {"description": "file too large"}, 422: {"description": "no CSV, columns missing, or not one acceptable row"}},
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}, "example": EXAMPLE}}}},
)
def post_import(
    session: Tx,
    actor: Importer,
    idem: Idem,
    body: Annotated[bytes, Depends(_body)],
    settings: SettingsDep,
    *,
    dry_run: Annotated[bool, Query(description="read and judge everything, save no person")] = False,
) -> Response:
    """Bring a CSV file into the register, all of its acceptable rows or, on any failure, none.

    The body is the file itself. Columns: external_id, name, country (required); phone, phone2, language, class,
    province, lat, lon, place_as_of, stay_from, stay_until, opted_out, device_token, device_seen_at, email,
    wants_whatsapp, is_vulnerable, is_tester, tester_consented_at. Repeat it as often as you like: people are matched by
    external_id, and the same file changes nothing.
    """
    idem.start(actor.key)
    if len(body) > settings.web.upload_bytes:
        raise TooLargeError("file_too_large", f"at most {settings.web.upload_bytes} bytes", field="file")
    options = ImportOptions(home_country=settings.home_country, rows_max=ROWS_MAX)
    run, tally = import_citizens(session, settings.keyring, file=io.BytesIO(body), actor=actor, is_dry_run=dry_run, options=options)
    view = result_of(run, preview=tally.preview, refused=tally.refusals)
    return idem.answer(201, view, {"Location": f"{PREFIX}/{run.id}"})


@router.get(PREFIX, response_model=ImportList)
def get_imports(session: Tx, _: Importer, paging: PagingDep) -> ImportList:
    """Imports, newest first, dry runs among them."""
    runs = list_imports(session, before=paging.cursor, limit=paging.limit + 1)
    page = page_of([ImportView.model_validate(run) for run in runs], [run.id for run in runs], paging.limit)
    return ImportList(items=page.items, next_cursor=page.next_cursor)


@router.get(PREFIX + "/{run_id}", response_model=ImportView)
def get_one_import(session: Tx, _: Importer, run_id: UUID) -> ImportView:
    """One import and its counts."""
    return ImportView.model_validate(get_import(session, run_id))


@router.get(PREFIX + "/{run_id}/rows", response_model=RowList)
def get_import_rows(
    session: Tx,
    _: Importer,
    run_id: UUID,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next_cursor` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    outcome: RowOutcome | None = None,
) -> RowList:
    """What became of each row, in the order of the file."""
    get_import(session, run_id)
    rows = list_import_rows(session, run_id, after=cursor, limit=limit + 1, outcome=outcome)
    page = [row_view(row) for row in rows[:limit]]
    return RowList(items=page, next_cursor=page[-1].line if len(rows) > limit else None)


@router.get(PREFIX + "/{run_id}/rows.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def get_import_rows_csv(session: Tx, _: Importer, run_id: UUID, outcome: RowOutcome | None = None) -> Response:
    """The same as a CSV file, to be worked through by whoever keeps the list. No cell can become a formula."""
    get_import(session, run_id)
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    writer.writerow(("line", "outcome", "external_id", "problems"))
    for row in _all_rows(session, run_id, outcome):
        problems = "; ".join(f"{problem['field']}: {problem['message']}" for problem in row.problems)
        writer.writerow(csv_safe(cell) for cell in (row.line, row.outcome.value, row.external_id, problems))
    headers = {"Content-Disposition": f'attachment; filename="import-{run_id}.csv"', "X-Content-Type-Options": "nosniff"}
    return Response("\ufeff" + content.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _all_rows(session: Tx, run_id: UUID, outcome: RowOutcome | None) -> Iterator[ImportRow]:
    after = 0
    while rows := list_import_rows(session, run_id, after=after, limit=EXPORT_PAGE, outcome=outcome):
        yield from rows
        after = rows[-1].line
