"""Code lists as the wire and the pages show them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from alerts.reports.code_lists.actions import IssuedCodes
from alerts.reports.code_lists.queries import CodeListCount, list_used_codes
from alerts.reports.code_lists.schemas import CodeListView, CodeView, UsedCodeView


def present_list(session: Session, count: CodeListCount) -> CodeListView:
    """A list and what became of the codes that were used."""
    row = count.row
    return CodeListView(
        id=row.id,
        mission_code=row.mission_code,
        size=row.size,
        unused=count.unused,
        made_by=row.made_by,
        made_at=row.made_at,
        revoked_at=row.revoked_at,
        revoke_reason=row.revoke_reason,
        used=[UsedCodeView.model_validate(code) for code in list_used_codes(session, row.id)],
    )


def present_codes(issued: IssuedCodes) -> list[CodeView]:
    """The codes in clear, for the one answer that shows them."""
    return [CodeView(number=number, code=code) for number, code in enumerate(issued.codes, 1)]
