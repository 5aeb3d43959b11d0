"""What signing in and `me` carry over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.kit.actor import Via
from alerts.kit.http import View, Wire
from alerts.staff.rules import MAX_PASSWORD_LENGTH, Permission, Role


class SignIn(Wire):
    """A user name and its password. The answer sets the session cookie."""

    model_config = ConfigDict(json_schema_extra={"example": {"username": "petugas.satu", "password": "empat kata yang panjang"}})

    username: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)


class MeView(View):
    """Who the caller is and may do. `via` is `session` for a person and `token` for an API client."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "01990000-0000-7000-8000-000000000001",
                "username": "petugas.satu",
                "display_name": "Petugas Satu",
                "role": "duty_officer",
                "mission_code": None,
                "language": "id",
                "via": "session",
                "must_change_password": False,
                "permissions": ["view_incidents", "open_incident"],
                "created_at": "2026-01-02T03:04:05Z",
            }
        }
    )

    id: UUID
    username: str
    display_name: str
    role: Role
    mission_code: str | None = Field(description="The one mission of mission staff; null for everybody else.")
    language: Literal["id", "en"]
    via: Via
    must_change_password: bool
    permissions: list[Permission]
    created_at: datetime
