"""By which ways the gathered people can be reached, and whose each address is: the ground of preview and frozen list.

One row per person and way, in a temporary table of the transaction, made by one statement. Only people who share an
address with another pass through objects (`sharing_rules`): all the rest is said in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.broadcasts.sharing_rules import Claim, Shares, share_out
from alerts.channels.rule_book import Outlet
from alerts.citizens.rules import DEVICE_LIVE_DAYS
from alerts.country_rules.queries import load_book


def unserved_of(session: Session, outlets: Sequence[Outlet]) -> list[str]:
    """`channel:country` of every way by a number that none of these outlets may ever go, by the rules in force at this moment."""
    return [f"{channel}:{country}" for channel, country in load_book(session).unserved_ways(outlets)]


def find_ways(session: Session, outlets: Sequence[Outlet], *, joins: UUID | None = None, barred: Sequence[str] = ()) -> Shares:
    """Find the ways of the gathered people by these outlets, and leave each shared address to one of them.

    `joins`: the message whose members they are to join: an address that one of those is written to, or was, is nobody else's.
    `barred`: ways (`channel:country`) that the words may not go.
    """
    values: dict[str, Any] = {"channels": sorted({each.channel for each in outlets})}
    values["unserved"] = [*unserved_of(session, outlets), *barred]
    values["is_exercise"] = any(each.is_exercise for each in outlets)
    for statement in (MAKE_WAYS, MAKE_SHARED, "TRUNCATE selected_way, shared_address", FORGET_SHARES):
        session.execute(text(statement))
    session.execute(text(FIND_WAYS), values | {"live_days": DEVICE_LIVE_DAYS})
    session.execute(text("ANALYZE selected_way"))
    session.execute(text(FIND_SHARED))
    if joins is not None:
        session.execute(text(FIND_TAKEN), {"broadcast": joins})
    return _share_out(session)


def _share_out(session: Session) -> Shares:
    rows = session.execute(text(CLAIMS)).all()
    if not rows:
        return Shares()
    taken = set(session.scalars(text("SELECT number FROM shared_address WHERE is_taken")))
    shares = share_out((Claim(row.number, _places(row), row.own_place) for row in rows), taken=taken)
    people, addresses = [person for person, _ in shares.lost], [address for _, address in shares.lost]
    session.execute(text(DROP_LOST), {"people": people, "addresses": addresses})
    if shares.without:
        without = {"people": sorted(shares.without)}
        session.execute(text("UPDATE selected_person SET shares = true WHERE number = ANY (CAST(:people AS int[]))"), without)
    return shares


def _places(row: Any) -> Sequence[tuple[int, int]]:
    """Each shared address once, where it comes first."""
    first: dict[int, int] = {}
    for place, address in zip(row.places, row.addresses, strict=True):
        first.setdefault(address, place)
    return [(place, address) for address, place in first.items()]


MAKE_WAYS = """
CREATE TEMP TABLE IF NOT EXISTS selected_way
    (number int, channel text, id uuid, country text, key bytea, place smallint) ON COMMIT DROP
"""
MAKE_SHARED = """
CREATE TEMP TABLE IF NOT EXISTS shared_address
    (key bytea PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY, is_taken boolean NOT NULL) ON COMMIT DROP
"""

FORGET_SHARES = "UPDATE selected_person SET shares = false WHERE shares"

# A person's ways in the order (`place`) in which they are tried, each once. Who opted out has none. A browser subscribed for
# the key of one world: the other one's messages cannot be sent to it. What came by a personal link comes last, beside what was
# registered, and only while that link is valid: links are forwarded, and whoever taps there may be anybody.
FIND_WAYS = """
WITH may AS MATERIALIZED (
    SELECT s.number, s.citizen_id, c.wants_whatsapp FROM selected_person s JOIN citizen c ON c.id = s.citizen_id
    WHERE c.opted_out_at IS NULL)
INSERT INTO selected_way (number, channel, id, country, key, place)
(SELECT DISTINCT ON (m.number, d.link_member_id IS NULL) m.number, 'push', d.id, NULL, d.token_index,
    CASE WHEN d.link_member_id IS NULL THEN 10 ELSE 70 END
 FROM may m JOIN device d ON d.citizen_id = m.citizen_id
 WHERE 'push' = ANY (CAST(:channels AS text[])) AND d.retired_at IS NULL AND d.last_seen_at > now() - make_interval(days => :live_days)
   AND (d.link_member_id IS NULL OR d.link_generation =
     (SELECT l.link_generation FROM audience_member l WHERE l.id = d.link_member_id AND l.citizen_id = d.citizen_id))
 ORDER BY m.number, d.link_member_id IS NULL, d.last_seen_at DESC, d.id)
UNION ALL
(SELECT DISTINCT ON (m.number, w.link_member_id IS NULL) m.number, 'web_push', w.id, NULL, w.endpoint_index,
    CASE WHEN w.link_member_id IS NULL THEN 20 ELSE 80 END
 FROM may m JOIN web_push_subscription w ON w.citizen_id = m.citizen_id
 WHERE 'web_push' = ANY (CAST(:channels AS text[])) AND w.retired_at IS NULL AND w.is_exercise = :is_exercise
   AND (w.link_member_id IS NULL OR w.link_generation =
     (SELECT l.link_generation FROM audience_member l WHERE l.id = w.link_member_id AND l.citizen_id = w.citizen_id))
 ORDER BY m.number, w.link_member_id IS NULL, w.last_seen_at DESC, w.id)
UNION ALL
SELECT m.number, u.channel, n.id, n.number_country, n.e164_index, u.place + n.position
FROM may m JOIN phone n ON n.citizen_id = m.citizen_id
JOIN (VALUES ('sms', 30), ('whatsapp', 40), ('voice', 60)) AS u(channel, place) ON u.channel = ANY (CAST(:channels AS text[]))
WHERE n.retired_at IS NULL AND n.is_valid AND (u.channel <> 'whatsapp' OR m.wants_whatsapp AND n.position = 1)
  AND u.channel || ':' || n.number_country <> ALL (CAST(:unserved AS text[]))
  AND NOT EXISTS (SELECT FROM phone o WHERE n.position > 1 AND o.citizen_id = n.citizen_id AND o.retired_at IS NULL
                  AND o.e164_index = n.e164_index AND o.position < n.position)
UNION ALL
SELECT m.number, 'email', e.id, NULL, e.address_index, 50 FROM may m JOIN email_address e ON e.citizen_id = m.citizen_id
WHERE 'email' = ANY (CAST(:channels AS text[])) AND e.retired_at IS NULL
"""

# A device's token and a browser's endpoint are one person's by a constraint of their tables.
FIND_SHARED = """
INSERT INTO shared_address (key, is_taken)
SELECT key, false FROM selected_way WHERE channel NOT IN ('push', 'web_push') GROUP BY key HAVING min(number) <> max(number)
"""

# Where a member of the message is written to first, as it was when their list was frozen (the address may be another's by now),
# and where a step of theirs has begun. A later way that never begins, because its member answers, must keep nobody waiting.
FIND_TAKEN = """
WITH mine AS MATERIALIZED (SELECT DISTINCT key FROM selected_way),
theirs AS (
    SELECT p.id, p.citizen_id, key FROM phone p JOIN mine ON key = p.e164_index
    UNION ALL SELECT d.id, d.citizen_id, key FROM device d JOIN mine ON key = d.token_index
    UNION ALL SELECT w.id, w.citizen_id, key FROM web_push_subscription w JOIN mine ON key = w.endpoint_index
    UNION ALL SELECT e.id, e.citizen_id, key FROM email_address e JOIN mine ON key = e.address_index)
INSERT INTO shared_address (key, is_taken)
SELECT DISTINCT t.key, true FROM theirs t JOIN audience_member m ON m.citizen_id = t.citizen_id AND m.broadcast_id = :broadcast
WHERE t.id IN (m.phone_id, m.device_id, m.address_id)
   OR EXISTS (SELECT FROM delivery d WHERE d.id BETWEEN m.id * 64 + 1 AND m.id * 64 + 63 AND d.address_id = t.id)
ON CONFLICT (key) DO UPDATE SET is_taken = true
"""

CLAIMS = """
WITH concerned AS MATERIALIZED (SELECT DISTINCT w.number FROM selected_way w JOIN shared_address USING (key))
SELECT w.number, min(w.place) FILTER (WHERE a.key IS NULL) AS own_place,
    array_agg(a.number ORDER BY w.place) FILTER (WHERE a.key IS NOT NULL) AS addresses,
    array_agg(w.place ORDER BY w.place) FILTER (WHERE a.key IS NOT NULL) AS places
FROM concerned c JOIN selected_way w USING (number) JOIN selected_person s USING (number) LEFT JOIN shared_address a USING (key)
GROUP BY w.number, s.citizen_id ORDER BY s.citizen_id
"""

DROP_LOST = """
DELETE FROM selected_way w
USING shared_address a, unnest(CAST(:people AS int[]), CAST(:addresses AS int[])) AS lost(person, address)
WHERE a.number = lost.address AND w.key = a.key AND w.number = lost.person
"""
