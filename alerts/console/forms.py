"""What a browser's form sends, as plain text fields and at most one file; the rules behind decide what is acceptable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from alerts.kit.errors import InvalidError

TEXT_LIMIT = 20_000
REASON_MIN, REASON_MAX = 3, 500


@dataclass(frozen=True)
class Form:
    """The fields of a form, each one or several texts; a missing field is an empty text."""

    fields: list[tuple[str, str]]
    file: bytes = b""

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

    def reason(self, name: str = "reason") -> str:
        """A reason as every act that needs one takes it."""
        reason = self.text(name, limit=REASON_MAX)
        if len(reason) < REASON_MIN:
            raise InvalidError("reason_length", "A reason has 3 to 500 characters.", field=name)
        return reason

    def all(self, name: str) -> list[str]:
        """Every value that is not empty, in the order of the form."""
        return [value.strip() for key, value in self.fields if key == name and value.strip()]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)


async def _read(request: Request) -> Form:
    async with request.form() as form:  # a file lies in a temporary one until the form is closed
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        file = await _file_of(form)
    for name, value in fields:
        if "\x00" in value or "\x00" in name:
            raise InvalidError("nul", "The text contains a NUL character.", field=name.replace("\x00", ""))
    return Form([(name, value.replace("\r\n", "\n")) for name, value in fields], file)


async def _file_of(form: FormData) -> bytes:
    """The first file's bytes; its name and kind are the sender's word, and read by nobody."""
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    return await files[0].read() if files else b""


FormDep = Annotated[Form, Depends(_read)]


def parse_id(text: str, field: str) -> UUID:
    """An id that a page put into its form; anything else is not our form."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
        raise InvalidError("not_an_id", "The form is incomplete: open the page again.", field=field)
    return UUID(text)
