"""What an incident that becomes quiet changes for messages to staff that are written already.

Its open pages and its call-out are quiet from then on. What is still queued for somebody at a mission is made quiet when it is
claimed: a call is not made, and a text says what the quiet page says.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


def hush(session: Session, incident_id: UUID) -> None:
    """From the commit on nothing of this incident rings a phone at a mission. Waits for a round that is being written."""
    session.execute(text(HUSH_PAGES), {"incident": incident_id})
    session.execute(text(HUSH_SLOTS), {"incident": incident_id})


def hush_queued(session: Session) -> int:
    """Make quiet what is queued and was written before its page or call-out became so; the count."""
    return int(session.execute(text(HUSH_QUEUED)).rowcount)  # type: ignore[attr-defined]


HUSH_PAGES = """
UPDATE paging SET is_quiet = true
WHERE id IN (SELECT id FROM paging WHERE incident_id = :incident AND stopped_at IS NULL AND NOT is_quiet ORDER BY id FOR UPDATE)
"""

HUSH_SLOTS = """
UPDATE crew_slot SET is_quiet = true
WHERE id IN (SELECT id FROM crew_slot WHERE incident_id = :incident AND stopped_at IS NULL AND NOT is_quiet ORDER BY id FOR UPDATE)
"""

HUSH_QUEUED = """
WITH loud AS (
    SELECT n.id, coalesce(p.texts, k.texts) ->> n.language AS words
    FROM notice n JOIN staff s ON s.id = n.staff_id LEFT JOIN paging p ON p.id = n.paging_id
    LEFT JOIN crew_call c ON c.id = CASE WHEN n.kind = 'callout' THEN CAST(n.subject_id AS uuid) END
    LEFT JOIN crew_slot k ON k.id = c.slot_id
    WHERE n.state = 'queued' AND NOT n.is_quiet AND s.mission_code IS NOT NULL AND (p.is_quiet OR k.is_quiet)
    ORDER BY n.id FOR UPDATE OF n SKIP LOCKED
)
UPDATE notice n SET is_quiet = true,
    body = coalesce(CASE n.status WHEN 'Exercise' THEN 'LATIHAN: ' ELSE '' END || left(loud.words, 380), n.body),
    state = CASE n.channel WHEN 'voice' THEN 'cancelled' ELSE n.state END,
    state_at = CASE n.channel WHEN 'voice' THEN clock_timestamp() ELSE n.state_at END
FROM loud WHERE n.id = loud.id
"""
