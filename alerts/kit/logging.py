"""Logs: one JSON object a line, ids and codes only. Never a name, a phone number, a text or a URL with a token."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging(*, is_json: bool = True, level: int = logging.INFO) -> None:
    """Set up the process's log once, at its start; everything goes to standard error."""
    renderer = structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
