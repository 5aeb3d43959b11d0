"""Named reads of missions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from alerts.kit.errors import NotFoundError
from alerts.missions.models import Mission, MissionCountry, MissionDistrict
from alerts.missions.rules import Holding, MissionFacts, MissionKind, MissionState, Network, Responsibility, responsibilities
from alerts.places import distance_km


def responsible_missions(session: Session, places: Iterable[str]) -> list[Responsibility]:
    """Who answers for each of the place codes (ISO 3166-1 or 3166-2); nothing for a place where nobody is known.

    Rule and its order: `alerts.missions.rules.responsibilities`.
    """
    network = read_network(session)
    return [part for place in dict.fromkeys(places) for part in responsibilities(network, place)]


def read_network(session: Session) -> Network:
    """All missions and their relations: a few hundred small rows, in one question (a storm of calls for help asks it often)."""
    missions, accredited, districts = {}, defaultdict(list), defaultdict(list)
    for what, code, place, is_assumed, kind, state, covered_by in session.connection().execute(NETWORK):
        if what == "mission":
            missions[code] = MissionFacts(code, MissionKind(kind), place, MissionState(state), covered_by)
        elif what == "country":
            accredited[place].append(Holding(code))
        else:
            districts[place].append(Holding(code, is_assumed))
    return Network(missions, accredited, districts)


def find_mission(session: Session, code: str) -> Mission | None:
    """The mission of a code."""
    return session.get(Mission, code)


def get_mission(session: Session, code: str) -> Mission:
    """The mission of a code. Raises NotFoundError."""
    mission = find_mission(session, code)
    if mission is None:
        raise NotFoundError("no_such_mission", "there is no mission of this code")
    return mission


def nearest_missions(session: Session, here: Mission, *, without: Collection[str], limit: int) -> list[str]:
    """Codes of the missions at work that stand nearest to this one, nearest first; permanent missions have no ground of theirs."""
    at_work = select(Mission).where(Mission.state != MissionState.SUSPENDED, Mission.country_iso2.is_not(None), Mission.code != here.code)
    others = [each for each in session.scalars(at_work) if each.code not in without]
    others.sort(key=lambda each: (distance_km(here.lat, here.lon, each.lat, each.lon), each.code))
    return [each.code for each in others[:limit]]


def mission_names(session: Session, codes: Iterable[str] | None = None) -> dict[str, str]:
    """Names by code; all missions without `codes`."""
    query = select(Mission.code, Mission.name)
    if codes is not None:
        query = query.where(Mission.code.in_(list(codes)))
    return {row.code: row.name for row in session.execute(query)}


def list_missions(
    session: Session, *, after: str | None = None, limit: int = 50, country: str | None = None, state: MissionState | None = None
) -> list[Mission]:
    """Missions in the order of their codes. `country`: those that stand in it or are accredited to it."""
    query = select(Mission).order_by(Mission.code).limit(limit)
    if after is not None:
        query = query.where(Mission.code > after)
    if state is not None:
        query = query.where(Mission.state == state)
    if country is not None:
        accredited = select(MissionCountry.mission_code).where(MissionCountry.country_iso2 == country)
        query = query.where(or_(Mission.country_iso2 == country, Mission.code.in_(accredited)))
    return list(session.scalars(query))


def relations_of(session: Session, codes: Sequence[str]) -> tuple[Mapping[str, list[MissionCountry]], Mapping[str, list[MissionDistrict]]]:
    """Accreditations and district places of several missions, by mission code."""
    countries: dict[str, list[MissionCountry]] = defaultdict(list)
    districts: dict[str, list[MissionDistrict]] = defaultdict(list)
    by_country = select(MissionCountry).where(MissionCountry.mission_code.in_(codes)).order_by(MissionCountry.country_iso2)
    by_place = select(MissionDistrict).where(MissionDistrict.mission_code.in_(codes)).order_by(MissionDistrict.place_code)
    for country in session.scalars(by_country):
        countries[country.mission_code].append(country)
    for district in session.scalars(by_place):
        districts[district.mission_code].append(district)
    return countries, districts


NETWORK = text("""
SELECT 'mission' AS what, code, country_iso2 AS place, false AS is_assumed, kind, state, covered_by FROM mission
UNION ALL SELECT 'country', mission_code, country_iso2, false, NULL, NULL, NULL FROM mission_country
UNION ALL SELECT 'district', mission_code, place_code, is_assumed, NULL, NULL, NULL FROM mission_district
ORDER BY what, code, place
""")
