"""Reports for the sheet's benchmark, written as rows: what a large crisis has after some days, with totals that are known beforehand."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.kit.clock import db_now
from alerts.places import provinces

SOURCES = ("mission:kbri-ankara", "mission:kjri-istanbul")
PLACES = 200
EVERY = timedelta(minutes=1)
VALUES = {"injured": 1, "in_hospital": 1, "unaccounted": 2, "sheltering": 3, "evacuated": 4}
"""What the newest report of a place says; each before it said one less of everything, and at least one."""


def file_reports(session: Session, incident_id: UUID, count: int) -> dict[str, int]:
    """`count` reports, one place each, in turn; the totals that a reader must find. One source per place: nothing contradicts."""
    places = sorted(provinces())[:PLACES]
    values = {
        "incident": incident_id,
        "count": count,
        "places": places,
        "sources": list(SOURCES),
        "from": db_now(session) - EVERY * (count + 1),
        "categories": list(VALUES),
        "values": list(VALUES.values()),
    }
    session.execute(text(REPORTS), values)
    session.execute(text(LINES_OF_REPORTS), values)
    return {category: value * min(count, len(places)) for category, value in VALUES.items()}


# The n-th report (from 0) is of place n modulo their number; a place has one source.
REPORTS = """
INSERT INTO report (incident_id, status, source, mission_code, version, state, as_of, known_at, filed, filed_by)
SELECT :incident, 'Actual', s.source, substr(s.source, 9), n.n + 1, 'accepted', CAST(:from AS timestamptz) + n.n * interval '1 minute',
    CAST(:from AS timestamptz) + n.n * interval '1 minute' + interval '10 seconds', '{}', 'bench'
FROM generate_series(0, :count - 1) AS n(n)
CROSS JOIN LATERAL (SELECT (CAST(:places AS text[]))[1 + n.n % cardinality(CAST(:places AS text[]))] AS place) p
CROSS JOIN LATERAL (SELECT (CAST(:sources AS text[]))[1 + (n.n % cardinality(CAST(:places AS text[]))) % 2] AS source) s
ORDER BY n.n
"""

LINES_OF_REPORTS = """
INSERT INTO report_line (report_id, position, category, places, kind, nationality, series, claim, counted_claim, authority_confirmed,
    raw, number, is_approximate, state)
SELECT r.id, c.place - 1, c.category, ARRAY[p.place], 'standing', 'own', 'own', 'reported', 'reported', false,
    c.number, c.number, false, 'accepted'
FROM report r
CROSS JOIN LATERAL (SELECT (CAST(:places AS text[]))[1 + (r.version - 1) % cardinality(CAST(:places AS text[]))] AS place) p
CROSS JOIN unnest(CAST(:categories AS text[]), CAST(:values AS int[])) WITH ORDINALITY AS v(category, value, place)
CROSS JOIN LATERAL (
    SELECT v.category, v.place, greatest(1, v.value - CASE
        WHEN r.version > :count - cardinality(CAST(:places AS text[])) THEN 0 ELSE 1 END) AS number) c
WHERE r.incident_id = :incident
"""
