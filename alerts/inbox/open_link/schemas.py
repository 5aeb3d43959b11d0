"""Wire types of the open link."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from alerts.inbox.open_link.rules import FIELD_MAX
from alerts.kit.http import View, Wire

Text = Annotated[str, Field(max_length=FIELD_MAX)]


class OpenClaim(Wire):
    """What the form behind an open link posts. `answer`: `safe` or `need_help`. `website` is left empty by people."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"answer": "safe", "name": "Contoh", "phone": "+905550000000", "place": "Antakya", "note": ""}]}
    )

    answer: Text = ""
    name: Text = ""
    phone: Text = ""
    place: Text = ""
    note: Text = ""
    website: Text = ""
    form_key: Text = ""


class ForwardableText(View):
    """The text to pass on, in each language, and the open link in it."""

    link: str
    texts: dict[str, str]
