"""What a picture may be, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerts.kit.i18n import N_

PER_REPORT_MAX = 20
PIXELS_MAX = 100_000_000
"""More than any telephone's camera takes; far less than a small file can unpack to."""
LARGE_SIDE, SMALL_SIDE = 2048, 400
"""Pixels of the longer side: to be read on a screen, and to be seen in a list."""


class Fault(StrEnum):
    """Why bytes are not taken as a picture."""

    NOT_A_PICTURE = "not_a_picture"
    TOO_MANY_PIXELS = "too_many_pixels"
    DAMAGED = "damaged"


SENTENCES = {
    Fault.NOT_A_PICTURE: N_("The file is no JPEG, PNG, WebP or GIF picture."),
    Fault.TOO_MANY_PIXELS: N_("The picture has more than 100 million pixels: make it smaller."),
    Fault.DAMAGED: N_("The file says that it is a picture, but it cannot be read to its end: send it again."),
}


class Size(StrEnum):
    """In which size a picture is fetched."""

    LARGE = "large"
    SMALL = "small"


@dataclass(frozen=True)
class Location:
    """Where the camera says that it was: degrees, WGS 84."""

    lat: float
    lon: float


@dataclass(frozen=True)
class Remade:
    """A picture made anew: two JPEGs that hold pixels and nothing else, and what the old file said of its place."""

    large: bytes
    small: bytes
    width: int
    height: int
    location: Location | None
