"""The web application: routers, error handlers, lifespan. The only importer of any `routes.py`."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request, Response

from alerts.channels.sms_dialect import described_providers
from alerts.deliveries.receipt_door import ReceiptDoor
from alerts.health import router as health_router
from alerts.health import tell_rate_faults
from alerts.kit.asgi import EntityTags, KeepPrivate, LimitBody, RefuseNul
from alerts.kit.db import Sessions, make_engine, make_sessions
from alerts.kit.errors import install_error_handlers
from alerts.kit.idempotency import Replayed, replay_response
from alerts.kit.memory import settle
from alerts.kit.openapi import describe, unique_id
from alerts.reports.pictures.schemas import BASE64_GROWTH
from alerts.settings import Settings

DESCRIPTION = """Protects a country's citizens abroad in a crisis.

Acting POSTs need an `Idempotency-Key`; a PATCH needs `If-Match`; errors are RFC 9457 problem documents
that name the field. Lists are newest first, with `cursor` and `limit`. Times are RFC 3339 with an offset."""
API_SLICES = (
    "staff",
    "reports.chasing",  # before the missions themselves: the board is no mission's code
    "missions",
    "country_rules",
    "citizens",
    "notices",
    "notices.crew",
    "incidents",
    "broadcasts",
    "deliveries",
    "deliveries.exports",
    "deliveries.roaming",
    "inbox",
    "inbox.calling",
    "inbox.open_link",
    "inbox.replies",
    "checkins.devices",  # before the link itself: its scripts lie beside every link
    "checkins",
    "checkins.cases",
    "people",
    "people.deaths",
    "families",
    "reports",
    "reports.code_lists",
    "reports.pictures",
    "live",
    "live.reach",
    "live.briefing",
    "statements",
    "live.shifts",
)
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
OPEN_PREFIXES = ("/hooks/", "/i/", "/c/", "/exercise/c/", "/exercise/i/", "/public/", "/exercise/public/")
LINK_ACTS = ("browsers", "browsers/retire", "devices", "devices/retire")
OPEN_OPERATIONS = frozenset(
    {("POST", "/api/v1/session"), ("GET", "/api/v1/web-push/key"), *(("POST", f"/api/v1/link/{act}") for act in LINK_ACTS)}
)


def create_app(settings: Settings, sessions: Sessions | None = None) -> FastAPI:
    """The application over one database. Tests may hand in their own session factory."""
    described_providers(settings)  # a description that cannot be read stops the process here, not at the first receipt
    tell_rate_faults(settings)
    app = FastAPI(
        title="Siaga",
        version=version("siaga"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        generate_unique_id_function=unique_id,
    )
    # The last one added is the outermost.
    app.add_middleware(EntityTags, prefix="/api/v1/")
    app.add_middleware(KeepPrivate, prefix="/api/v1/")
    app.add_middleware(RefuseNul)
    uploads = {"/api/v1/imports": settings.web.upload_bytes, "/pictures": int(settings.web.picture_bytes * BASE64_GROWTH)}
    app.add_middleware(LimitBody, limit=settings.web.max_body_bytes, uploads=uploads)
    app.add_middleware(ReceiptDoor)
    app.state.settings = settings
    app.state.sessions = sessions or _sessions_of(settings)
    install_error_handlers(app)
    app.add_exception_handler(Replayed, _on_replayed)
    app.include_router(health_router)
    for router in _routers():
        app.include_router(router)
    describe(app, is_public)
    # Last: pages answer their own errors as pages, everything else stays problem+json.
    importlib.import_module("alerts.console.routes").install(app)
    return app


def is_public(method: str, path: str) -> bool:
    """Whether an operation needs no account: health, signing in, signed hooks, the citizen's link and its devices, a public key."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES) or (method, path) in OPEN_OPERATIONS


def from_environment() -> FastAPI:
    """What `siaga serve` runs."""
    app = create_app(Settings.from_environment())
    settle()
    return app


def _sessions_of(settings: Settings) -> Sessions:
    database = settings.database
    url = database.url.get_secret_value()
    seconds = database.statement_timeout_seconds
    return make_sessions(make_engine(url, pool_size=database.pool_size, statement_timeout_seconds=seconds))


def _routers() -> list[APIRouter]:
    """The doors of storms come first: each router before them is asked for each receipt."""
    storms = importlib.import_module("alerts.deliveries.routes_receipts").router
    return [storms, *(importlib.import_module(f"alerts.{name}.routes").router for name in API_SLICES)]


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


async def _on_replayed(_: Request, error: Exception) -> Response:
    assert isinstance(error, Replayed)
    return replay_response(error)
