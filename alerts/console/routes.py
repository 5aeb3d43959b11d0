"""All routes of the pages, and how they are put into an application. Imported by `alerts.app` alone."""

from __future__ import annotations

from fastapi import FastAPI

from alerts.console import (
    routes_approval,
    routes_broadcasts,
    routes_calls,
    routes_cases,
    routes_duty,
    routes_families,
    routes_forward,
    routes_inbox,
    routes_incidents,
    routes_lapsit,
    routes_live,
    routes_log,
    routes_missions,
    routes_moves,
    routes_past,
    routes_persons,
    routes_pictures,
    routes_prepared,
    routes_reach,
    routes_reports,
    routes_roaming,
    routes_rules,
    routes_session,
    routes_shifts,
    routes_staff,
    routes_statements,
)
from alerts.console.assets import STATIC_FOLDER, STATIC_PATH, VersionedFiles
from alerts.console.elsewhere import install_elsewhere
from alerts.console.pages import EXERCISE_PREFIX
from alerts.console.problems import install_problem_pages

ROUTERS = (
    routes_session.router,
    routes_staff.router,
    routes_duty.router,
    routes_incidents.shapes_router,
    routes_rules.router,
    routes_lapsit.router,
    routes_prepared.router,
)
# These exist twice: an exercise has its own addresses, so that a link can never be taken for a real one.
INCIDENT_ROUTERS = (
    routes_duty.needs_router,
    routes_incidents.router,
    routes_broadcasts.new_router,
    routes_broadcasts.router,
    routes_approval.router,
    routes_forward.router,
    routes_reach.router,
    routes_roaming.router,
    routes_prepared.first_router,
    routes_prepared.after_router,
    routes_reports.router,
    routes_pictures.router,
    routes_live.router,
    routes_past.router,
    routes_log.router,
    routes_statements.router,
    routes_statements.one_router,
    routes_shifts.router,
    routes_moves.router,
    routes_missions.board_router,
    routes_missions.router,
    routes_calls.router,
    routes_inbox.router,
    routes_cases.list_router,
    routes_cases.router,
    routes_families.list_router,
    routes_families.router,
    routes_persons.list_router,
    routes_persons.router,
    routes_persons.decision_router,
)


def install(app: FastAPI) -> None:
    """Add the pages, their static files and their error pages, once. Call it after the API's error handlers are in place."""
    if getattr(app.state, "has_pages", False):
        return
    app.state.has_pages = True
    for router in ROUTERS:
        app.include_router(router)
    for router in INCIDENT_ROUTERS:
        app.include_router(router)
        app.include_router(router, prefix=EXERCISE_PREFIX)
    app.mount(STATIC_PATH, VersionedFiles(directory=STATIC_FOLDER), name="static")
    install_problem_pages(app)
    install_elsewhere(app)
