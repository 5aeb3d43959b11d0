"""The missions of the product's own files, for tests."""

from __future__ import annotations

from sqlalchemy.orm import Session

from alerts.missions.actions import Loaded, load_missions


def make_missions(session: Session) -> Loaded:
    """All missions, as an installation has them."""
    return load_missions(session)
