"""The frozen list: who is on it, by which first way each is reached, and how the preview counts them.

The people are gathered in a temporary table of the transaction, once, and everything else is said in SQL
over it: a million people never pass through objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, column, insert, select, table, text
from sqlalchemy.orm import Session

from alerts.broadcasts.models import Audience
from alerts.broadcasts.sharing_rules import Shares
from alerts.broadcasts.ways import find_ways, unserved_of
from alerts.channels.rule_book import Outlet
from alerts.citizens.audience import in_areas
from alerts.citizens.models import Citizen
from alerts.incidents.models import IncidentArea
from alerts.incidents.queries import citizens_on_lists
from alerts.incidents.rules import Status
from alerts.kit.db import rows_of
from alerts.places import provinces
from alerts.places.areas import AreaSpec, area_from

SELECTED = table("selected_person", column("citizen_id"), column("reason"))
MAKE_SELECTED = """
CREATE TEMP TABLE IF NOT EXISTS selected_person
    (citizen_id uuid PRIMARY KEY, reason text, number int GENERATED ALWAYS AS IDENTITY, shares boolean NOT NULL DEFAULT false)
    ON COMMIT DROP
"""


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
    session.execute(text(MAKE_SELECTED))
    session.execute(text("TRUNCATE selected_person"))
    session.execute(insert(SELECTED).from_select(["citizen_id", "reason"], people))
    session.execute(text("ANALYZE selected_person"))
    return int(session.execute(text("SELECT count(*) FROM selected_person")).scalar_one())


def freeze_selected(session: Session, audience: Audience, outlets: Sequence[Outlet]) -> int:
    """Write the gathered people down as members, by the ways of these outlets; the count.

    An address belongs to one member: who has none left of their own is counted as sharing, everybody else goes by their
    other ways.
    """
    return write_members(session, audience, outlets, find_ways(session, outlets))


def write_members(session: Session, audience: Audience, outlets: Sequence[Outlet], shares: Shares, *, barred: Sequence[str] = ()) -> int:
    """The same where their ways were found already, without those that the words may not go (`barred`)."""
    points = danger_points(audience.areas)
    values = _choice_values(session, outlets, barred) | {"lats": [lat for lat, _ in points], "lons": [lon for _, lon in points]}
    values |= {"audience": audience.id, "broadcast": audience.broadcast_id, "wave": audience.wave}
    values |= {"without": len(shares.without), "shortened": shares.shortened}
    return int(session.execute(text(FREEZE), values).scalar_one())


@dataclass(frozen=True)
class Counted:
    """The gathered people in figures, as rows that each have a count of `people`.

    `rows`: by channel, unreachable, number_country, language, class, is_shared. `texted`: by number_country, whoever gets a
    text there by their first way or a later one. `barred`: by channel, number_country and `reached_by`, whose number the channel
    does not reach. `sharing_ways`: people who go by fewer ways than they have.
    """

    rows: Sequence[Mapping[str, Any]]
    texted: Sequence[Mapping[str, Any]] = ()
    barred: Sequence[Mapping[str, Any]] = ()
    sharing_ways: int = 0

    @property
    def texted_countries(self) -> set[str]:
        """Countries to whose numbers a text may go."""
        return {row["number_country"] for row in self.texted}


def preview_selected(session: Session, outlets: Sequence[Outlet]) -> Counted:
    """Count the gathered people as they would be frozen now, by the ways of these outlets."""
    shares = find_ways(session, outlets)
    values = _choice_values(session, outlets)
    rows, texted, barred = (rows_of(session.execute(text(query), values)) for query in (PREVIEW, TEXTED, BARRED))
    return Counted(rows, texted, barred, shares.shortened)


def count_selected_outside(session: Session, audience: Audience) -> int:
    """How many of the gathered people are not on a frozen list (those who share an address with a member are)."""
    count = int(session.execute(text(OUTSIDE), {"audience": audience.id}).scalar_one())
    return max(0, count - audience.sharing_address)


def _choice_values(session: Session, outlets: Sequence[Outlet], barred: Sequence[str] = ()) -> dict[str, Any]:
    """Ways that no outlet goes (`channel:country`), or the words may not (`barred`); main towns, for whoever has no point of their own."""
    towns = list(provinces().values())
    return {
        "channels": sorted({each.channel for each in outlets}),
        "unserved": [*unserved_of(session, outlets), *barred],
        "barred": list(barred),
        "towns": [town.code for town in towns],
        "town_lats": [town.lat for town in towns],
        "town_lons": [town.lon for town in towns],
    }


def danger_points(described: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Where the danger is, as far as areas say: a circle's centre, the middle of a polygon's corners, a province's main town."""
    points = []
    for area in described:
        geometry = area.get("geometry") or {}
        if "lat" in geometry:
            points.append((float(geometry["lat"]), float(geometry["lon"])))
        elif geometry.get("points"):
            corners = geometry["points"]
            points.append((sum(p[0] for p in corners) / len(corners), sum(p[1] for p in corners) / len(corners)))
        elif town := provinces().get(area.get("code") or ""):
            points.append((town.lat, town.lon))
    return points


BARRED_NUMBERS = """
SELECT n.citizen_id, u.channel, n.number_country AS country, n.position,
    u.channel || ':' || n.number_country = ANY (CAST(:barred AS text[])) AS is_by_words
FROM phone n JOIN citizen c ON c.id = n.citizen_id CROSS JOIN (VALUES ('sms'), ('whatsapp'), ('voice')) AS u(channel)
WHERE u.channel || ':' || n.number_country = ANY (CAST(:unserved AS text[])) AND u.channel = ANY (CAST(:channels AS text[]))
  AND n.retired_at IS NULL AND n.is_valid AND c.opted_out_at IS NULL AND (u.channel <> 'whatsapp' OR c.wants_whatsapp AND n.position = 1)
"""
# The words first: other words would reach them.
BARRED_COUNTRY = f"""
SELECT DISTINCT ON (citizen_id) citizen_id, country, is_by_words FROM ({BARRED_NUMBERS}) n ORDER BY citizen_id, NOT is_by_words, position
"""  # noqa: S608

# Everyone gathered with the first way that is theirs, and those after it; `none` with the reason where there is no way at all.
CHOICES = f"""
SELECT p.citizen_id, p.reason, p.shares, c.language, c.class, coalesce(c.lat, t.lat) AS lat, coalesce(c.lon, t.lon) AS lon, c.is_vulnerable,
    f.channel, f.id AS address_id, f.country AS number_country, CASE WHEN f.channel = 'push' THEN f.id END AS device_id,
    CASE WHEN f.channel IN ('sms', 'whatsapp', 'voice') THEN f.id END AS phone_id,
    CASE WHEN f.channel <> 'none' THEN NULL WHEN c.opted_out_at IS NOT NULL THEN 'opted_out'
         WHEN b.is_by_words THEN 'words_barred' WHEN f.country IS NOT NULL THEN 'no_provider' ELSE 'no_address' END AS unreachable,
    coalesce(w.ways - 0, '[]') AS further_ways
FROM selected_person p JOIN citizen c ON c.id = p.citizen_id
LEFT JOIN unnest(CAST(:towns AS text[]), CAST(:town_lats AS float8[]), CAST(:town_lons AS float8[])) AS t(code, lat, lon)
    ON c.lat IS NULL AND t.code = c.province_code
LEFT JOIN (SELECT number, jsonb_agg(jsonb_build_array(channel, id, country) ORDER BY place) AS ways FROM selected_way GROUP BY number) w
    ON w.number = p.number
LEFT JOIN ({BARRED_COUNTRY}) b ON b.citizen_id = p.citizen_id AND w.ways IS NULL AND c.opted_out_at IS NULL
CROSS JOIN LATERAL (SELECT coalesce(w.ways -> 0 ->> 0, 'none') AS channel, CAST(w.ways -> 0 ->> 1 AS uuid) AS id,
    coalesce(w.ways -> 0 ->> 2, b.country) AS country) f
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
WITH kept AS (
    INSERT INTO audience_member (audience_id, broadcast_id, wave, {COLUMNS})
    SELECT :audience, :broadcast, :wave, {COLUMNS} FROM ({CHOICES}) chosen WHERE NOT shares
    ORDER BY {RING} NULLS LAST, NOT is_vulnerable, citizen_id
    RETURNING 1)
UPDATE audience SET frozen_at = clock_timestamp(), count = (SELECT count(*) FROM kept),
    sharing_address = :without, sharing_ways = :shortened, words_barred = (SELECT count(DISTINCT n.citizen_id)
        FROM ({BARRED_NUMBERS}) n JOIN selected_person p USING (citizen_id) WHERE n.is_by_words AND NOT p.shares)
WHERE id = :audience RETURNING count
"""  # noqa: S608 - our own words; every value is bound

PREVIEW = f"""
SELECT channel, unreachable, number_country, language, class, shares AS is_shared, count(*) AS people
FROM ({CHOICES}) c GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY people DESC
"""  # noqa: S608

TEXTED = """
SELECT country AS number_country, count(DISTINCT number) AS people FROM selected_way WHERE channel = 'sms' GROUP BY 1 ORDER BY 2 DESC
"""

# Numbers that a channel does not reach, of whoever they are: by the first way that these people have instead, if any.
BARRED = f"""
SELECT b.channel, b.country AS number_country, coalesce(f.channel, 'none') AS reached_by, count(DISTINCT p.number) AS people
FROM selected_person p JOIN ({BARRED_NUMBERS}) b ON b.citizen_id = p.citizen_id
LEFT JOIN (SELECT DISTINCT ON (number) number, channel FROM selected_way ORDER BY number, place) f ON f.number = p.number
WHERE NOT p.shares GROUP BY 1, 2, 3 ORDER BY 4 DESC
"""  # noqa: S608

OUTSIDE = """
SELECT count(*) FROM selected_person s
WHERE NOT EXISTS (SELECT FROM audience_member m WHERE m.audience_id = :audience AND m.citizen_id = s.citizen_id)
"""
