"""Wire types of a link's devices."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from alerts.citizens.schemas import BrowserIn
from alerts.kit.http import View, Wire

LINK = "2fZc.4pPKTBfUlzJ9yUcZTLmhVQ"
Link = Annotated[str, Field(min_length=1, max_length=100, description="what stands behind `/i/` in the citizen's link. Keep it secret.")]
OfExercise = Annotated[bool, Field(description="the link lies under `/exercise/i/`")]
Token = Annotated[str, Field(min_length=8, max_length=4096, description="the registration token that Firebase gave to the app")]
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/contoh"
SUBSCRIPTION: JsonValue = {
    "endpoint": ENDPOINT,
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}


class LinkBrowserIn(Wire):
    """A browser of the person of a link. `subscription`: as `PushSubscription.toJSON()` gives it, for our key of the link's world."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"link": LINK, "subscription": SUBSCRIPTION}]})

    link: Link
    is_exercise: OfExercise = False
    subscription: BrowserIn


class LinkBrowserOut(Wire):
    """That browser takes no more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"link": LINK, "endpoint": ENDPOINT}]})

    link: Link
    is_exercise: OfExercise = False
    endpoint: Annotated[str, Field(min_length=1, max_length=2048)]


class LinkDeviceIn(Wire):
    """An app of the person of a link. Send it again whenever Firebase gives another token, and now and then while in use."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"link": LINK, "token": "contoh-token-dari-firebase"}]})

    link: Link
    token: Token


class RegisteredView(View):
    """Whether alerts go there from now on. Nothing is told of whose link it is."""

    is_registered: bool
