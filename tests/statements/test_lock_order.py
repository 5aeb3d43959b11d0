"""A statement is claimed while its sheet is being refreshed: whoever waits holds nothing that the other needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, text

from alerts.incidents.queries import get_incident
from alerts.kit.db import Sessions, begin
from alerts.live.briefing.actions import draft
from alerts.reports.queries import await_filings
from alerts.statements.models import Statement
from alerts.statements.queries import claim_statement
from alerts.statements.schemas import StatementIn
from tests.factories.incidents import OPENER, make_incident
from tests.support.stages import wait_until

WAITS = text("""
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND NOT l.granted
""")


def test_who_claims_a_statement_waits_for_the_refresh_and_not_the_refresh_for_them(sessions: Sessions) -> None:
    with begin(sessions) as session:
        incident_id = make_incident(session).id
        command = StatementIn.model_validate({"clauses": ["as_of", "harm"]})
        statement_id = draft(session, actor=OPENER, incident=get_incident(session, incident_id), command=command).id

    def claim() -> str:
        with begin(sessions) as session:
            return claim_statement(session, statement_id, OPENER).state.value

    with ThreadPoolExecutor(1) as pool:
        with begin(sessions) as refreshing:
            await_filings(refreshing, incident_id)
            claimed = pool.submit(claim)
            with begin(sessions) as looking:
                wait_until(lambda: bool(looking.execute(WAITS).scalar_one()), seconds=10)
            flagged = select(Statement.id).where(Statement.id == statement_id).with_for_update(nowait=True)
            assert refreshing.scalars(flagged).one() == statement_id, "what it will flag is nobody's yet"
        assert claimed.result(10) == "draft"
