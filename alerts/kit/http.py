"""HTTP manners shared by every route: wire base type, ETags, lists by cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from alerts.kit.errors import PreconditionFailedError, PreconditionRequiredError

LIMIT_MAX = 200
LIMIT_DEFAULT = 50
T = TypeVar("T")

NOT_TEXT = PydanticCustomError("not_text", "a NUL character or half a surrogate pair cannot be stored")


def _not_text(value: object) -> Iterator[tuple[int | str, ...]]:
    """Where, in however many lists and mappings, a text or the name of a field is none."""
    waiting: list[tuple[tuple[int | str, ...], object]] = [((), value)]
    while waiting:
        at, item = waiting.pop()
        if isinstance(item, str) and not _is_text(item):
            yield at
        elif isinstance(item, dict):
            yield from ((*at, _readable(name)) for name in item if not _is_text(str(name)))
            waiting += [((*at, _readable(name)), each) for name, each in item.items()]
        elif isinstance(item, list):
            waiting += [((*at, index), each) for index, each in enumerate(item)]


def _is_text(value: str) -> bool:
    return "\x00" not in value and (value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value))


def _readable(name: object) -> str:
    return str(name) if _is_text(str(name)) else str(name).replace("\x00", "").encode("utf-8", "replace").decode()


class Wire(BaseModel):
    """Base of all that comes in: unknown fields, NUL and what is no text are refused, naming the field."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _only_text(cls, value: Any) -> Any:
        faults = [InitErrorDetails(type=NOT_TEXT, loc=at, input=None) for at in _not_text(value)] if isinstance(value, dict) else []
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return value


class View(BaseModel):
    """Base of all that goes out."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[T]):
    """One page of a list, newest first. `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: UUID | None = None


@dataclass(frozen=True)
class Paging:
    """Where a list goes on, and how many it gives."""

    cursor: UUID | None
    limit: int


def paging(
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> Paging:
    """The query parameters of every list."""
    return Paging(cursor, limit)


PagingDep = Annotated[Paging, Depends(paging)]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="the ETag that the change is based on")]


def etag_of(*parts: object) -> str:
    """A strong ETag over whatever decides the content (an id and a version, say)."""
    return '"' + hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32] + '"'


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the reader already has this version: answer 304 then."""
    given = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in given.split(",") if tag.strip())


def check_if_match(given: str | None, etag: str, *, current: object) -> None:
    """428 without the header, 412 with the current version when it is stale."""
    if given is None:
        raise PreconditionRequiredError("if_match_required", "a change needs an If-Match header", field="header.If-Match")
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    if etag not in tags and "*" not in tags:
        raise PreconditionFailedError("stale_version", "somebody changed this since you read it", current=current, etag=etag)


def page_of(items: list[T], ids: list[UUID], limit: int) -> Page[T]:
    """A page from `limit + 1` rows: the surplus one only tells that there is more."""
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=ids[limit - 1] if more else None)
