"""Which mission answers for a place. Pure: it decides over a `Network` that somebody else has read.

In order: the consulate in whose district the place lies, the embassy of the country then being informed;
otherwise the embassy accredited to the country; for a territory the embassy to the state it belongs to
(assumed: no source says so). A suspended mission is replaced by the one that covers it. Permanent missions
are never asked. Where nothing is known the answer is nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from alerts.places import is_country, sovereign_of


class MissionKind(StrEnum):
    """The Indonesian abbreviations, as everybody in the service says them."""

    KBRI = "kbri"
    KJRI = "kjri"
    KRI = "kri"
    PTRI = "ptri"
    KDEI = "kdei"
    HONORARY_CONSUL = "honorary_consul"


class MissionState(StrEnum):
    """`relocated` still works, from elsewhere; `suspended` does not, and is covered by another."""

    OPEN = "open"
    RELOCATED = "relocated"
    SUSPENDED = "suspended"


class AccreditationBasis(StrEnum):
    """Whether the mission stands in the country it is accredited to."""

    RESIDENT = "resident"
    ACCREDITED = "accredited"


class Basis(StrEnum):
    """Why a mission answers for a place; the strongest first."""

    DISTRICT = "district"
    COVER = "cover"
    ACCREDITATION = "accreditation"


class Role(StrEnum):
    """`acts` does the work; `informed` is the embassy of a country where a consulate acts."""

    ACTS = "acts"
    INFORMED = "informed"


@dataclass(frozen=True, slots=True)
class MissionFacts:
    """What the rule needs to know of one mission."""

    code: str
    kind: MissionKind
    country_iso2: str | None
    state: MissionState
    covered_by: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A mission's relation to one place, and whether it lacks a source."""

    mission_code: str
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """All missions with their accreditations (by country) and districts (by place code)."""

    missions: Mapping[str, MissionFacts]
    accredited: Mapping[str, Sequence[Holding]] = field(default_factory=dict)
    districts: Mapping[str, Sequence[Holding]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Responsibility:
    """One mission's part in one place. `covers` names the suspended mission that it stands in for."""

    mission_code: str
    place: str
    basis: Basis
    is_assumed: bool
    role: Role = Role.ACTS
    covers: str | None = None


def responsibilities(network: Network, place: str) -> list[Responsibility]:
    """Who answers for a country (`TR`), territory (`HK`) or province (`TR-31`); acting ones first, empty for none.

    For a whole country the embassy acts, and so does each consulate in its own district. A part of a territory that
    is a district as a whole (`TW-TPE`) is answered for like the territory.
    """
    country = place[:2]
    whole_country = is_country(place) and place not in network.districts
    named = network.districts.get(place) or network.districts.get(country, ())
    districts = _districts_in(network, country) if whole_country else named
    acting = [_part(network, h, place, basis=Basis.DISTRICT) for h in districts]
    embassy_role = Role.INFORMED if any(acting) and not whole_country else Role.ACTS
    embassies = [_part(network, h, place, basis=Basis.ACCREDITATION, role=embassy_role) for h in _embassies(network, country)]
    found = [part for part in (*acting, *embassies) if part is not None]
    return _one_each(found)


def find_working(network: Network, code: str) -> str | None:
    """The code of the mission itself while it works, else of whoever covers it; None where nobody does."""
    mission = _working(network, code)
    return mission.code if mission else None


def _districts_in(network: Network, country: str) -> Sequence[Holding]:
    """The consulates with a district inside the country, each once."""
    found: dict[str, Holding] = {}
    for place, holdings in sorted(network.districts.items()):
        if place.startswith(f"{country}-"):
            for holding in holdings:
                found.setdefault(holding.mission_code, holding)
    return list(found.values())


def _embassies(network: Network, country: str) -> Iterator[Holding]:
    """Accredited to the country, else to the state the territory belongs to; and suspended ones that stand there."""
    yield from network.accredited.get(country, ())
    sovereign = sovereign_of(country)
    if country not in network.accredited and sovereign != country:
        yield from (Holding(h.mission_code, is_assumed=True) for h in network.accredited.get(sovereign, ()))
    for mission in network.missions.values():
        if mission.country_iso2 == country and mission.state is MissionState.SUSPENDED and mission.kind is MissionKind.KBRI:
            yield Holding(mission.code)


def _part(network: Network, holding: Holding, place: str, *, basis: Basis, role: Role = Role.ACTS) -> Responsibility | None:
    mission = _working(network, holding.mission_code)
    if mission is None or mission.kind is MissionKind.PTRI:
        return None
    if mission.code == holding.mission_code:
        return Responsibility(mission.code, place, basis, holding.is_assumed, role)
    return Responsibility(mission.code, place, Basis.COVER, holding.is_assumed, role, covers=holding.mission_code)


def _working(network: Network, code: str) -> MissionFacts | None:
    """The mission itself, or whoever covers it, however often that is handed on; None at a dead end or a circle."""
    seen: set[str] = set()
    mission = network.missions.get(code)
    while mission is not None and mission.state is MissionState.SUSPENDED:
        seen.add(mission.code)
        following = mission.covered_by
        mission = network.missions.get(following) if following and following not in seen else None
    return mission


def _one_each(found: Sequence[Responsibility]) -> list[Responsibility]:
    """Each mission once, by its strongest part."""
    ranked = sorted(found, key=lambda part: (list(Role).index(part.role), list(Basis).index(part.basis)))
    best: dict[str, Responsibility] = {}
    for part in ranked:
        best.setdefault(part.mission_code, part)
    return list(best.values())
