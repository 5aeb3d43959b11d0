"""Who acts: a person of the staff, a token of an API client, a citizen's link, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Via(StrEnum):
    """How the actor proved who it is. Approval needs `session`."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    LINK = "link"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """`role` is a role name of `alerts.staff.rules`; `mission_code` is set for staff of one mission."""

    via: Via
    staff_id: UUID | None = None
    role: str = ""
    mission_code: str | None = None
    language: str = "id"
    label: str = ""

    @property
    def key(self) -> str:
        """A stable, impersonal name for idempotency and the action log."""
        return f"staff:{self.staff_id}" if self.staff_id else f"{self.via}:{self.label}"


SYSTEM = Actor(via=Via.SYSTEM, label="siaga")
