"""What the API tells of missions."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from alerts.kit.http import View
from alerts.missions.models import Mission, MissionCountry, MissionDistrict
from alerts.missions.rules import AccreditationBasis, Basis, MissionKind, MissionState, Role
from alerts.places import country_name, place_name


class PlaceName(View):
    """A place code with its name in both languages."""

    code: str = Field(description="ISO 3166-1 or 3166-2", examples=["TR-31"])
    id: str
    en: str


class AccreditationView(View):
    """A country that the mission is accredited to, and who says so."""

    country: PlaceName
    basis: AccreditationBasis
    source: str


class DistrictView(View):
    """A place in the consular district. `is_assumed`: no published source names it."""

    place: PlaceName
    is_assumed: bool
    source_words: str


class MissionView(View):
    """One mission. `covered_by` is set when it is suspended: that mission answers instead."""

    code: str = Field(examples=["kbri-ankara"])
    kind: MissionKind
    name: str
    city: str
    country: PlaceName | None = Field(description="where it stands; null for a permanent mission")
    lat: float = Field(description="decimal degrees")
    lon: float = Field(description="decimal degrees")
    state: MissionState
    covered_by: str | None
    note: str | None
    source: str
    accreditations: list[AccreditationView]
    districts: list[DistrictView]


class MissionList(View):
    """Missions in the order of their codes; `next_cursor` is the last code, or null at the end."""

    items: list[MissionView]
    next_cursor: str | None = None


class ResponsibilityView(View):
    """One mission's part in one place."""

    mission_code: str
    mission_name: str
    place: PlaceName
    basis: Basis
    role: Role
    is_assumed: bool
    covers: str | None = Field(description="the suspended mission that this one stands in for")


class ResponsibilityList(View):
    """Acting missions first. Empty: nobody is known to answer for these places."""

    items: list[ResponsibilityView]


def named(code: str) -> PlaceName:
    """The code with its names."""
    return PlaceName(code=code, id=place_name(code, "id"), en=place_name(code, "en"))


def view_of(mission: Mission, countries: Sequence[MissionCountry], districts: Sequence[MissionDistrict]) -> MissionView:
    """A mission as the API shows it."""
    own = ("code", "kind", "name", "city", "lat", "lon", "state", "covered_by", "note", "source")
    return MissionView(
        **{name: getattr(mission, name) for name in own},
        country=_country(mission.country_iso2) if mission.country_iso2 else None,
        accreditations=[AccreditationView(country=_country(c.country_iso2), basis=c.basis, source=c.source) for c in countries],
        districts=[DistrictView(place=named(d.place_code), is_assumed=d.is_assumed, source_words=d.source_words) for d in districts],
    )


def _country(code: str) -> PlaceName:
    return PlaceName(code=code, id=country_name(code, "id"), en=country_name(code, "en"))
