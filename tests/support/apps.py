"""The application under test: made once for a process, and lent to one test after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from starlette.datastructures import State

from alerts.kit.db import Sessions
from alerts.settings import Settings


@contextmanager
def lent(app: FastAPI, settings: Settings, sessions: Sessions) -> Iterator[FastAPI]:
    """The application with these settings and sessions for a while; what it remembers meanwhile is forgotten afterwards."""
    before = app.state
    app.state = State({name: before[name] for name in before} | {"settings": settings, "sessions": sessions})
    try:
        yield app
    finally:
        app.state = before
