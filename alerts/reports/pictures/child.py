"""The child that decodes: bytes come in by its standard input; one line of JSON and two JPEGs go out.

It knows pictures and nothing of ours but their limits. Pillow is the only decoder, with four formats and no plugin else.
"""

from __future__ import annotations

import io
import json
import math
import resource
import sys
from typing import Any

from PIL import ExifTags, GifImagePlugin, Image, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from alerts.reports.pictures.rules import LARGE_SIDE, PIXELS_MAX, SMALL_SIDE, Fault

CPU_SECONDS, MEMORY_BYTES = 10, 1_000_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
DECODERS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin, GifImagePlugin, TiffImagePlugin)
"""Loaded before the limits: after them nothing can be opened, no module either. Exif is read by TIFF's; MPO is a telephone's JPEG."""
QUALITY = 82
WHITE = (255, 255, 255)


def main() -> None:
    """Limits first: everything after them is the sender's."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.preinit()
    content = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    head, *parts = answer(content)
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(parts))


def answer(content: bytes) -> tuple[dict[str, Any], *tuple[bytes, ...]]:
    """What was made of it, or why nothing."""
    Image.MAX_IMAGE_PIXELS = None  # ours is asked for below, before anything is unpacked
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (OSError, ValueError, SyntaxError):
        return ({"fault": Fault.NOT_A_PICTURE},)
    if picture.width * picture.height > PIXELS_MAX:
        return ({"fault": Fault.TOO_MANY_PIXELS},)
    try:
        return _remade(picture)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError):
        return ({"fault": Fault.DAMAGED},)


def _remade(picture: Image.Image) -> tuple[dict[str, Any], bytes, bytes]:
    location = _location(picture)
    picture.draft("RGB", (LARGE_SIDE, LARGE_SIDE))  # a JPEG need not be unpacked whole
    upright = ImageOps.exif_transpose(picture)
    large = _jpeg(upright, LARGE_SIDE)
    made = Image.open(io.BytesIO(large))
    width, height = made.size
    small = _jpeg(made, SMALL_SIDE)
    head = {"width": width, "height": height, "location": location, "large": len(large)}
    return head, large, small


def _jpeg(picture: Image.Image, side: int) -> bytes:
    """Pixels on a fresh sheet: nothing that the old file carried comes along."""
    pixels = picture.convert("RGBA")
    pixels.thumbnail((side, side), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", pixels.size, WHITE)
    sheet.paste(pixels, mask=pixels.getchannel("A"))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def _location(picture: Image.Image) -> dict[str, float] | None:
    """Where the camera says that it was, if it says so in a way that can be true."""
    try:
        told = picture.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        lat = _degrees(told[ExifTags.GPS.GPSLatitude], str(told[ExifTags.GPS.GPSLatitudeRef]), "S")
        lon = _degrees(told[ExifTags.GPS.GPSLongitude], str(told[ExifTags.GPS.GPSLongitudeRef]), "W")
    except (KeyError, ValueError, TypeError, ZeroDivisionError, OSError, SyntaxError, OverflowError):
        return None
    is_possible = math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180
    return {"lat": round(lat, 6), "lon": round(lon, 6)} if is_possible and (lat, lon) != (0, 0) else None


def _degrees(parts: Any, half: str, minus: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return (degrees + minutes / 60 + seconds / 3600) * (-1 if half.strip("\x00 ").upper() == minus else 1)
