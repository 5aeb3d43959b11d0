"""The frozen list: who is on it, by which first way each is reached, and how the preview counts them.

The people are gathered in a temporary table of the transaction, once, and everything else is said in SQL
over it: a million people never pass through objects.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, column, insert, select, table, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Audience
from alerts.citizens.audience import in_areas
from alerts.citizens.models import Citizen
from alerts.citizens.rules import DEVICE_LIVE_DAYS
from alerts.country_rules.queries import load_book
from alerts.incidents.models import IncidentArea
from alerts.incidents.queries import citizens_on_lists
from alerts.incidents.rules import Status
from alerts.kit.db import rows_of
from alerts.places.areas import AreaSpec, area_from

SELECTED = table("selected_person", column("citizen_id"), column("reason"))


def spec_of(area: IncidentArea) -> AreaSpec:
    """The checked area that a stored row stands for."""
    return area_from(kind=area.kind.value, code=area.code, geometry=area.geometry)


def select_people(session: Session, areas: Sequence[IncidentArea], list_ids: Sequence[UUID], *, status: Status) -> int:
    """Gather everyone in the areas or on the lists for this transaction; the count. For an exercise: the testers among them."""
    on_lists = citizens_on_lists(list_ids) if list_ids else None
    return gather(session, in_areas(session, [spec_of(area) for area in areas], on_lists=on_lists), status=status)


def select_frozen_areas(session: Session, described: Sequence[dict[str, Any]], list_ids: Sequence[UUID], *, status: Status) -> int:
    """The same for areas as they were described when the list was asked for: what is approved is what was submitted."""
    on_lists = citizens_on_lists(list_ids) if list_ids else None
    return gather(session, in_areas(session, [area_from(**area) for area in described], on_lists=on_lists), status=status)


def gather(session: Session, people: Select[Any] | Select[UUID, str], *, status: Status) -> int:
    """Gather a selection of (citizen id, reason) for this transaction; the count. Only testers for an exercise."""
    if status is Status.EXERCISE:
        found = people.subquery("found")
        people = select(found).join(Citizen, Citizen.id == found.c.citizen_id).where(Citizen.is_tester)
    session.execute(text("CREATE TEMP TABLE IF NOT EXISTS selected_person (citizen_id uuid PRIMARY KEY, reason text) ON COMMIT DROP"))
    session.execute(text("TRUNCATE selected_person"))
    session.execute(insert(SELECTED).from_select(["citizen_id", "reason"], people))
    return int(session.execute(text("SELECT count(*) FROM selected_person")).scalar_one())


def freeze_selected(session: Session, audience: Audience, channels: Collection[str]) -> int:
    """Write the gathered people down as members, in one statement; the count.

    Several behind one address get one message: the rest are counted as sharing it.
    """
    points = danger_points(audience.areas)
    values = _choice_values(session, channels) | {"lats": [lat for lat, _ in points], "lons": [lon for _, lon in points]}
    values |= {"audience": audience.id, "broadcast": audience.broadcast_id, "wave": audience.wave}
    return int(session.execute(text(FREEZE), values).scalar_one())


def preview_selected(session: Session, channels: Collection[str]) -> list[dict[str, Any]]:
    """Rows of channel, unreachable, number_country, language, class, is_shared and the count of people."""
    return rows_of(session.execute(text(PREVIEW), _choice_values(session, channels)))


def count_selected_outside(session: Session, audience: Audience) -> int:
    """How many of the gathered people are not on a frozen list (those who share an address with a member are)."""
    count = int(session.execute(text(OUTSIDE), {"audience": audience.id}).scalar_one())
    return max(0, count - audience.sharing_address)


def _choice_values(session: Session, channels: Collection[str]) -> dict[str, Any]:
    """`unserved`: `channel:country` for every way that goes by a number, by the rules in force at this moment."""
    unserved = [f"{channel}:{country}" for channel, country in load_book(session).unserved_ways()]
    return {"channels": list(channels), "unserved": unserved, "live_days": DEVICE_LIVE_DAYS}


def danger_points(described: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Where the danger is, as far as shapes say: a circle's centre, the middle of a polygon's corners."""
    points = []
    for area in described:
        geometry = area.get("geometry") or {}
        if "lat" in geometry:
            points.append((float(geometry["lat"]), float(geometry["lon"])))
        elif geometry.get("points"):
            corners = geometry["points"]
            points.append((sum(p[0] for p in corners) / len(corners), sum(p[1] for p in corners) / len(corners)))
    return points


# A person's ways in the order in which they are tried, each once. Who opted out has none.
WAYS = """
SELECT array_agg(y.channel ORDER BY y.place) AS channels, array_agg(y.id ORDER BY y.place) AS ids,
    array_agg(y.country ORDER BY y.place) AS countries, (array_agg(y.fingerprint ORDER BY y.place))[1] AS fingerprint
FROM (
    (SELECT 'push' AS channel, id, NULL AS country, token_index AS fingerprint, 10 AS place FROM device
     WHERE citizen_id = c.id AND retired_at IS NULL AND last_seen_at > now() - make_interval(days => :live_days)
     ORDER BY last_seen_at DESC LIMIT 1)
    UNION ALL
    (SELECT 'web_push', id, NULL, endpoint_index, 20 FROM web_push_subscription
     WHERE citizen_id = c.id AND retired_at IS NULL ORDER BY last_seen_at DESC LIMIT 1)
    UNION ALL
    SELECT u.channel, n.id, n.number_country, n.e164_index, u.place + n.position
    FROM phone n CROSS JOIN (VALUES ('sms', 30), ('whatsapp', 40), ('voice', 60)) AS u(channel, place)
    WHERE n.citizen_id = c.id AND n.retired_at IS NULL AND n.is_valid AND (u.channel <> 'whatsapp' OR c.wants_whatsapp AND n.position = 1)
      AND NOT concat(u.channel, ':', n.number_country) = ANY (CAST(:unserved AS text[]))
      AND NOT EXISTS (SELECT FROM phone o WHERE o.citizen_id = c.id AND o.retired_at IS NULL AND o.e164_index = n.e164_index
                      AND o.position < n.position)
    UNION ALL
    SELECT 'email', id, NULL, address_index, 50 FROM email_address WHERE citizen_id = c.id AND retired_at IS NULL
) y WHERE y.channel = ANY (CAST(:channels AS text[])) AND c.opted_out_at IS NULL
"""

CHOICES = f"""
SELECT p.citizen_id, p.reason, c.language, c.class, c.lat, c.lon, c.is_vulnerable, f.channel, f.id AS address_id,
    f.country AS number_country, CASE WHEN f.channel = 'push' THEN f.id END AS device_id,
    CASE WHEN f.channel IN ('sms', 'whatsapp', 'voice') THEN f.id END AS phone_id,
    CASE WHEN f.channel <> 'none' THEN NULL WHEN c.opted_out_at IS NOT NULL THEN 'opted_out'
         WHEN g.number_country IS NOT NULL THEN 'no_provider'
         ELSE 'no_address' END AS unreachable,
    coalesce((SELECT jsonb_agg(jsonb_build_array(o.channel, o.id, o.country) ORDER BY o.place)
              FROM unnest(w.channels[2:], w.ids[2:], w.countries[2:]) WITH ORDINALITY AS o(channel, id, country, place)), '[]')
        AS further_ways,
    row_number() OVER (PARTITION BY f.channel, CASE WHEN f.channel <> 'none' THEN w.fingerprint END ORDER BY p.citizen_id) AS nth
FROM selected_person p JOIN citizen c ON c.id = p.citizen_id
CROSS JOIN LATERAL ({WAYS}) w
LEFT JOIN LATERAL (
    SELECT n.number_country FROM phone n WHERE w.channels IS NULL AND 'sms' = ANY (CAST(:channels AS text[])) AND c.opted_out_at IS NULL
      AND n.citizen_id = c.id AND n.retired_at IS NULL AND n.is_valid ORDER BY n.position LIMIT 1) g ON true
CROSS JOIN LATERAL (
    SELECT coalesce(w.channels[1], 'none') AS channel, w.ids[1] AS id, coalesce(w.countries[1], g.number_country) AS country) f
"""  # noqa: S608 - our own words; every value is bound

COLUMNS = "citizen_id, phone_id, device_id, channel, unreachable, language, reason, number_country, address_id, further_ways"
RING_KM = 5
KM_PER_DEGREE = 111.2

# Nearest to the danger first, in rings of RING_KM; within a ring those first who declared that they need more time.
RING = f"""
floor((SELECT min(sqrt(power((h.lat - chosen.lat) * {KM_PER_DEGREE}, 2)
    + power((h.lon - chosen.lon) * {KM_PER_DEGREE} * cos(radians(h.lat)), 2)))
    FROM unnest(CAST(:lats AS float8[]), CAST(:lons AS float8[])) AS h(lat, lon)) / {RING_KM})
"""  # noqa: S608 - our own words

FREEZE = f"""
WITH chosen AS MATERIALIZED ({CHOICES}),
kept AS (
    INSERT INTO audience_member (audience_id, broadcast_id, wave, {COLUMNS})
    SELECT :audience, :broadcast, :wave, {COLUMNS} FROM chosen WHERE nth = 1 OR channel = 'none'
    ORDER BY {RING} NULLS LAST, NOT is_vulnerable, citizen_id
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
