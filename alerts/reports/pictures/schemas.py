"""Wire types of pictures."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Base64Bytes, ConfigDict, Field

from alerts.kit.http import View, Wire

CAPTION_MAX, REASON_MIN, REASON_MAX = 500, 3, 500
BASE64_GROWTH = 1.4
"""So much larger than the picture may the request be that carries it in base64."""

TWO_BY_TWO = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGM8ISfHwMDAxMDAwMDAAAANBAEIfXHKZgAAAABJRU5ErkJggg=="
"""The smallest picture that shows something: red, 2 × 2 pixels."""


class PictureIn(Wire):
    """A JPEG, PNG, WebP or GIF, in base64. Where it was taken is forgotten, unless it is kept on purpose and with a reason."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"picture": TWO_BY_TWO, "caption": "Posko di halaman KBRI", "keep_location": False}}
    )

    picture: Base64Bytes
    caption: str | None = Field(None, max_length=CAPTION_MAX)
    keep_location: bool = False
    location_reason: str | None = Field(None, min_length=REASON_MIN, max_length=REASON_MAX)


class PictureRemove(Wire):
    """Why a picture is taken away. What is left is that it was there, and this."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "Wajah korban terlihat; keluarga belum diberi tahu."}})

    reason: str = Field(min_length=REASON_MIN, max_length=REASON_MAX)


class LocationView(View):
    """Where the camera said that it was (degrees, WGS 84), and why that was kept."""

    lat: float
    lon: float
    reason: str


class RemovalView(View):
    """Who took the picture away, and why; its bytes are gone."""

    reason: str
    removed_by: str
    known_at: datetime


class PictureView(View):
    """One picture. `width`, `height` and `octets` are those of what we keep: a JPEG made anew, at most 2048 pixels a side."""

    id: UUID
    caption: str | None
    width: int
    height: int
    octets: int
    sha256: str = Field(description="of the large JPEG, in hexadecimal")
    location: LocationView | None
    added_by: str
    known_at: datetime
    removal: RemovalView | None


class PictureList(View):
    """The pictures of one report, the first first, those that were taken away among them."""

    items: list[PictureView]
