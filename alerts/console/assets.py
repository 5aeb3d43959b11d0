"""Static files under names that change with their content, so that browsers may keep them for a year."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_FOLDER = Path(__file__).resolve().parent / "static"
STATIC_PATH = "/static"
YEAR_SECONDS = 31_536_000


@cache
def static_url(name: str) -> str:
    """`/static/console.css?v=1a2b3c4d5e`; raises FileNotFoundError for a file that is not there."""
    digest = hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:10]
    return f"{STATIC_PATH}/{name}?v={digest}"


class VersionedFiles(StaticFiles):
    """Files asked for with their version never change; the others are asked for anew each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_versioned = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable" if is_versioned else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
