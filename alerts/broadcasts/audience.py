"""The frozen list: who is on it, by which first way each is reached, and how the preview counts them.

The people are gathered in a temporary table of the transaction, once, and everything else is said in SQL
over it: a million people never pass through objects.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, column, insert, table, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Audience
from alerts.broadcasts.rules import Channel
from alerts.channels.country_rules import list_rules
from alerts.citizens.audience import in_areas
from alerts.citizens.rules import DEVICE_LIVE_DAYS
from alerts.incidents.models import IncidentArea
from alerts.incidents.queries import citizens_on_lists
from alerts.kit.db import rows_of
from alerts.places.areas import AreaSpec, area_from

SELECTED = table("selected_person", column("citizen_id"), column("reason"))


def unserved_countries() -> list[str]:
    """Countries to whose numbers the provider delivers nothing."""
    return [rule.number_country for rule in list_rules() if not rule.is_served]


def spec_of(area: IncidentArea) -> AreaSpec:
    """The checked area that a stored row stands for."""
    return area_from(kind=area.kind.value, code=area.code, geometry=area.geometry)


def select_people(session: Session, areas: Sequence[IncidentArea], list_ids: Sequence[UUID]) -> int:
    """Gather everyone in the areas or on the lists for this transaction; the count."""
    on_lists = citizens_on_lists(list_ids) if list_ids else None
    return gather(session, in_areas(session, [spec_of(area) for area in areas], on_lists=on_lists))


def select_frozen_areas(session: Session, described: Sequence[dict[str, Any]], list_ids: Sequence[UUID]) -> int:
    """The same for areas as they were described when the list was asked for: what is approved is what was submitted."""
    on_lists = citizens_on_lists(list_ids) if list_ids else None
    return gather(session, in_areas(session, [area_from(**area) for area in described], on_lists=on_lists))


def gather(session: Session, people: Select[Any] | Select[UUID, str]) -> int:
    """Gather a selection of (citizen id, reason) for this transaction; the count."""
    session.execute(text("CREATE TEMP TABLE IF NOT EXISTS selected_person (citizen_id uuid PRIMARY KEY, reason text) ON COMMIT DROP"))
    session.execute(text("TRUNCATE selected_person"))
    session.execute(insert(SELECTED).from_select(["citizen_id", "reason"], people))
    return int(session.execute(text("SELECT count(*) FROM selected_person")).scalar_one())


def freeze_selected(session: Session, audience: Audience, channels: Collection[str]) -> int:
    """Write the gathered people down as members, in one statement; the count.

    Several behind one address get one message: the rest are counted as sharing it.
    """
    values = _choice_values(channels)
    values |= {"audience": audience.id, "broadcast": audience.broadcast_id, "wave": audience.wave}
    return int(session.execute(text(FREEZE), values).scalar_one())


def preview_selected(session: Session, channels: Collection[str]) -> list[dict[str, Any]]:
    """Rows of channel, unreachable, number_country, language, class, is_shared and the count of people."""
    return rows_of(session.execute(text(PREVIEW), _choice_values(channels)))


def count_selected_outside(session: Session, audience: Audience) -> int:
    """How many of the gathered people are not on a frozen list (those who share an address with a member are)."""
    count = int(session.execute(text(OUTSIDE), {"audience": audience.id}).scalar_one())
    return max(0, count - audience.sharing_address)


def copy_members(session: Session, audience: Audience, member_ids: Select[Any]) -> int:
    """A list made of other lists' members, each by the very way that they had there; the count."""
    session.execute(text("CREATE TEMP TABLE IF NOT EXISTS selected_member (id bigint PRIMARY KEY) ON COMMIT DROP"))
    session.execute(text("TRUNCATE selected_member"))
    session.execute(insert(table("selected_member", column("id"))).from_select(["id"], member_ids))
    values = {"audience": audience.id, "broadcast": audience.broadcast_id, "wave": audience.wave}
    return int(session.execute(text(COPY_MEMBERS), values).scalar_one())


def _choice_values(channels: Collection[str]) -> dict[str, Any]:
    return {
        "may_push": Channel.PUSH.value in channels,
        "may_sms": Channel.SMS.value in channels,
        "unserved": unserved_countries(),
        "live_days": DEVICE_LIVE_DAYS,
    }


# A person's first way: a live device, else the first usable number that some provider serves, else none, and why.
CHOICES = """
SELECT p.citizen_id, p.reason, c.language, c.class, d.id AS device_id, n.id AS phone_id, n.number_country, w.channel,
    CASE WHEN w.channel <> 'none' THEN NULL WHEN c.opted_out_at IS NOT NULL THEN 'opted_out'
         WHEN n.id IS NOT NULL AND :may_sms THEN 'no_provider' ELSE 'no_address' END AS unreachable,
    row_number() OVER (PARTITION BY w.channel, CASE w.channel WHEN 'push' THEN d.token_index WHEN 'sms' THEN n.e164_index END
                       ORDER BY p.citizen_id) AS nth
FROM selected_person p JOIN citizen c ON c.id = p.citizen_id
LEFT JOIN LATERAL (
    SELECT id, token_index FROM device WHERE citizen_id = c.id AND retired_at IS NULL
      AND last_seen_at > now() - make_interval(days => :live_days) ORDER BY last_seen_at DESC LIMIT 1) d ON true
LEFT JOIN LATERAL (
    SELECT id, number_country, e164_index FROM phone WHERE citizen_id = c.id AND retired_at IS NULL AND is_valid
    ORDER BY number_country = ANY(:unserved), position LIMIT 1) n ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.opted_out_at IS NOT NULL THEN 'none' WHEN d.id IS NOT NULL AND :may_push THEN 'push'
        WHEN n.id IS NOT NULL AND :may_sms AND NOT n.number_country = ANY(:unserved) THEN 'sms' ELSE 'none' END AS channel) w
"""

COLUMNS = "citizen_id, phone_id, device_id, channel, unreachable, language, reason, number_country"

FREEZE = f"""
WITH chosen AS MATERIALIZED ({CHOICES}),
kept AS (
    INSERT INTO audience_member (audience_id, broadcast_id, wave, {COLUMNS})
    SELECT :audience, :broadcast, :wave, {COLUMNS} FROM chosen WHERE nth = 1 OR channel = 'none' ORDER BY citizen_id
    RETURNING 1)
UPDATE audience SET frozen_at = clock_timestamp(), count = (SELECT count(*) FROM kept),
    sharing_address = (SELECT count(*) FROM chosen WHERE nth > 1 AND channel <> 'none')
WHERE id = :audience RETURNING count
"""  # noqa: S608 - our own words; every value is bound

PREVIEW = f"""
SELECT channel, unreachable, number_country, language, class, nth > 1 AND channel <> 'none' AS is_shared, count(*) AS people
FROM ({CHOICES}) c GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY people DESC
"""  # noqa: S608

OUTSIDE = """
SELECT count(*) FROM selected_person s
WHERE NOT EXISTS (SELECT FROM audience_member m WHERE m.audience_id = :audience AND m.citizen_id = s.citizen_id)
"""

COPY_MEMBERS = f"""
WITH kept AS (
    INSERT INTO audience_member (audience_id, broadcast_id, wave, {COLUMNS})
    SELECT :audience, :broadcast, :wave, {COLUMNS.replace("reason", "'got_the_original'")}
    FROM audience_member JOIN selected_member USING (id) ORDER BY id RETURNING 1)
UPDATE audience SET frozen_at = clock_timestamp(), count = (SELECT count(*) FROM kept) WHERE id = :audience RETURNING count
"""  # noqa: S608
