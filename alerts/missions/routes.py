"""Missions over HTTP: read only. They come from the product's data files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from alerts.kit.actor import Actor
from alerts.kit.db import Tx
from alerts.kit.errors import InvalidError
from alerts.kit.http import LIMIT_DEFAULT, LIMIT_MAX, etag_of, is_unchanged
from alerts.missions.models import Mission
from alerts.missions.queries import get_mission, list_missions, mission_names, relations_of, responsible_missions
from alerts.missions.rules import MissionState
from alerts.missions.schemas import MissionList, MissionView, ResponsibilityList, ResponsibilityView, named, view_of
from alerts.places import find_province, is_country
from alerts.staff.access import require
from alerts.staff.rules import Permission

router = APIRouter(prefix="/api/v1/missions", tags=["missions"])
Reader = Annotated[Actor, Depends(require(Permission.VIEW_MISSIONS))]
PLACES_MAX = 100


@router.get("", response_model=MissionList)
def get_missions(
    session: Tx,
    _: Reader,
    cursor: Annotated[str | None, Query(max_length=60, pattern="^[a-z0-9-]+$", description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="standing in or accredited to")] = None,
    state: MissionState | None = None,
) -> MissionList:
    """All missions in the order of their codes, suspended ones among them."""
    missions = list_missions(session, after=cursor, limit=limit + 1, country=country, state=state)
    more = len(missions) > limit
    views = _views(session, missions[:limit])
    return MissionList(items=views, next_cursor=views[-1].code if more else None)


@router.get("/responsible", response_model=ResponsibilityList)
def get_responsible_missions(
    session: Tx,
    _: Reader,
    place: Annotated[
        list[str],
        Query(min_length=1, max_length=PLACES_MAX, description="ISO 3166-1 or 3166-2, repeated", examples=[["TR-31"]]),
    ],
) -> ResponsibilityList:
    """Who answers for these places; an empty list says that nobody is known to."""
    for code in place:
        if not is_country(code) and find_province(code) is None:
            raise InvalidError("unknown_place", f"{code[:20]!r} is not a place code that we know", field="query.place")
    found = responsible_missions(session, place)
    names = mission_names(session, {part.mission_code for part in found})
    items = [
        ResponsibilityView(
            mission_code=part.mission_code,
            mission_name=names[part.mission_code],
            place=named(part.place),
            basis=part.basis,
            role=part.role,
            is_assumed=part.is_assumed,
            covers=part.covers,
        )
        for part in found
    ]
    return ResponsibilityList(items=items)


@router.get("/{code}", response_model=MissionView, responses={304: {"description": "unchanged"}, 404: {"description": "no such mission"}})
def get_one_mission(
    session: Tx, _: Reader, code: Annotated[str, Path(pattern="^[a-z0-9-]{1,60}$")], request: Request, response: Response
) -> MissionView | Response:
    """One mission with its countries and district."""
    view = _views(session, [get_mission(session, code)])[0]
    etag = etag_of(view.model_dump_json())
    if is_unchanged(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return view


def _views(session: Tx, missions: list[Mission]) -> list[MissionView]:
    countries, districts = relations_of(session, [m.code for m in missions])
    return [view_of(m, countries.get(m.code, ()), districts.get(m.code, ())) for m in missions]
