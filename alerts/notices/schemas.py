"""What addresses, rosters, pages and alarms carry over the wire."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from pydantic import ConfigDict, Field

from alerts.kit.http import View, Wire
from alerts.notices.contacts import ROSTER_MAX
from alerts.notices.rules import AlarmKind, ContactKind, StopReason
from alerts.staff.rules import Role

ID = "01990000-0000-7000-8000-000000000001"


class BrowserKeys(Wire):
    """The keys of a browser's subscription, in base64url as it gives them."""

    p256dh: str = Field(max_length=200)
    auth: str = Field(max_length=100)


class ContactAdd(Wire):
    """An address for messages to staff. `address` is a number, a device's token, a push service's address or a mailbox.

    `keys` belong to `web_push` alone.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"kind": "phone", "address": "+62 811-7000-001"}})

    kind: ContactKind
    address: str = Field(min_length=1, max_length=4096)
    keys: BrowserKeys | None = None


class ContactView(View):
    """An address as far as it is shown: `hint` lets its owner recognise it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"id": ID, "kind": "phone", "hint": "+62•••001", "number_country": "ID", "created_at": "2026-01-02T03:04:05Z"}
        }
    )

    id: UUID
    kind: ContactKind
    hint: str
    number_country: str | None = Field(description="ISO 3166-1 code of a number's country; its rules decide what a text may hold.")
    created_at: datetime


class ContactList(View):
    """All current addresses of an account, the one to be tried first on top."""

    items: list[ContactView]


class Hours(Wire):
    """Local times of one day; over midnight when `until` is earlier than `begin`."""

    begin: time
    until: time


class HoursView(View):
    """Local times of one day, in the line's zone."""

    begin: time
    until: time


class DutyPerson(Wire):
    """One line of a roster. Without `hours`: around the clock. `is_on` false keeps the place and pages the person last."""

    staff_id: UUID
    is_on: bool = True
    hours: Hours | None = None
    zone: str = Field("Asia/Jakarta", max_length=64, description="IANA name of the zone of `hours`")


class DutySet(Wire):
    """A whole roster, the first to be paged on top, deputies after. It takes the place of the one before."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "role": "approver",
                "mission_code": None,
                "people": [],
            }
        }
    )

    role: Role
    mission_code: str | None = Field(None, max_length=100)
    people: list[DutyPerson] = Field(max_length=ROSTER_MAX)


class DutyPersonView(View):
    """One line of a roster. `is_reachable`: the account is active and has an address."""

    staff_id: UUID
    display_name: str
    position: int
    is_on: bool
    is_on_now: bool = Field(description="on duty at this moment, by the hours")
    is_reachable: bool
    hours: HoursView | None
    zone: str


class DutyView(View):
    """The roster of a role and, for a mission's role, a mission. `others` counts accounts of the role that are not in it."""

    role: Role
    mission_code: str | None
    people: list[DutyPersonView]
    others: int
    etag: str


class PagingView(View):
    """A page to the staff: it repeats every round with one more deputy until somebody acts. Newest first in lists.

    `messages` counts its messages by state (`unknown`: nobody can say whether it went out).
    """

    id: UUID
    kind: str
    subject_kind: str
    subject_id: str
    incident_id: UUID | None
    status: str
    role: Role
    mission_code: str | None
    text: str = Field(description="in the reader's language")
    path: str = Field(description="the page where one acts")
    level: int = Field(description="rounds so far")
    started_at: datetime
    next_at: datetime | None
    stopped_at: datetime | None
    stopped_by: UUID | None
    stop_reason: StopReason | None
    messages: dict[str, int]


class AlarmView(View):
    """Something that needs a person: an account that is refused, a permission, many dead devices, filtered texts."""

    id: UUID
    kind: AlarmKind
    sender: str
    count: int
    text: str = Field(description="in the reader's language")
    first_at: datetime
    last_at: datetime
    paged_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
