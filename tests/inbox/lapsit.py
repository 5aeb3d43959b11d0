"""What the tests of situation reports by text share: the phones, and what came of their messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.channels.texts import Encoding, measure
from alerts.inbox.models import InboundMessage
from alerts.kit.actor import SYSTEM
from alerts.kit.crypto import Keyring
from alerts.notices.models import Notice
from alerts.reports.code_lists.actions import issue_code_list
from alerts.reports.models import Report, ReportLine

Say = Callable[..., InboundMessage]
PHONE, OTHER_PHONE = "+905321112233", "+963933112233"
ANKARA, DAMASCUS = "kbri-ankara", "kbri-damascus"


def answers(session: Session) -> list[str]:
    """What was written back, oldest first: each fits two segments of GSM-7."""
    rows = session.query(Notice).order_by(Notice.id).all()
    for row in rows:
        size = measure(row.body)
        assert (size.encoding, size.segments <= 2) == (Encoding.GSM7, True), row.body
        assert (row.channel, row.kind, row.path) == ("sms", "lapsit", "")
    return [row.body for row in rows]


def reports(session: Session) -> list[Report]:
    return session.query(Report).order_by(Report.id).all()


def lines(session: Session, report: Report) -> list[tuple[Any, ...]]:
    rows = session.query(ReportLine).filter_by(report_id=report.id).order_by(ReportLine.position)
    return [(row.category, row.places, row.number, row.silence, row.claim, row.state) for row in rows]


def codes(session: Session, keyring: Keyring, mission: str = ANKARA, size: int = 3) -> tuple[str, ...]:
    issued = issue_code_list(session, actor=SYSTEM, keyring=keyring, mission_code=mission, size=size)
    session.commit()
    return issued.codes


def urgent_calls(session: Session) -> int:
    return int(session.execute(text("SELECT count(*) FROM outbox_event WHERE name = 'inbound.urgent'")).scalar_one())
