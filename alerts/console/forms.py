"""What a browser's form sends, as plain text fields; the rules behind decide what is acceptable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from alerts.kit.errors import InvalidError

TEXT_LIMIT = 20_000


@dataclass(frozen=True)
class Form:
    """The fields of a form, each one or several texts; a missing field is an empty text."""

    fields: list[tuple[str, str]]

    def text(self, name: str, *, limit: int = TEXT_LIMIT) -> str:
        """The first value, without the blanks around it."""
        found = next((value for key, value in self.fields if key == name), "").strip()
        if len(found) > limit:
            raise InvalidError("too_long", f"At most {limit} characters.", field=name)
        return found

    def secret(self, name: str) -> str:
        """A password, with its blanks."""
        return next((value for key, value in self.fields if key == name), "")

    def optional(self, name: str, *, limit: int = TEXT_LIMIT) -> str | None:
        return self.text(name, limit=limit) or None

    def all(self, name: str) -> list[str]:
        """Every value that is not empty, in the order of the form."""
        return [value.strip() for key, value in self.fields if key == name and value.strip()]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)


async def _read(request: Request) -> Form:
    form = await request.form()
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    for name, value in fields:
        if "\x00" in value or "\x00" in name:
            raise InvalidError("nul", "The text contains a NUL character.", field=name.replace("\x00", ""))
    return Form([(name, value.replace("\r\n", "\n")) for name, value in fields])


FormDep = Annotated[Form, Depends(_read)]


def parse_id(text: str, field: str) -> UUID:
    """An id that a page put into its form; anything else is not our form."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
        raise InvalidError("not_an_id", "The form is incomplete: open the page again.", field=field)
    return UUID(text)
