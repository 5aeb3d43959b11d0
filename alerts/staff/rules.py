"""Who may do what, how a password must look, and when a sign-in must wait.

Pure decisions: no database, no web framework. The table PERMISSIONS is the only place
where a role gains or loses a right.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person is to the crisis centre; one role per account."""

    MINISTER = "minister"
    DUTY_OFFICER = "duty_officer"
    APPROVER = "approver"
    MISSION_STAFF = "mission_staff"
    HEAD_OF_MISSION = "head_of_mission"
    ADMINISTRATOR = "administrator"
    PUBLIC_INFORMATION = "public_information"


class Permission(StrEnum):
    """One right, as the routes ask for it."""

    VIEW_INCIDENTS = "view_incidents"
    OPEN_INCIDENT = "open_incident"
    EDIT_INCIDENT = "edit_incident"
    CLOSE_INCIDENT = "close_incident"
    WRITE_BROADCAST = "write_broadcast"
    APPROVE_BROADCAST = "approve_broadcast"
    RELEASE_FIRST_ALERT = "release_first_alert"
    CANCEL_BROADCAST = "cancel_broadcast"
    CORRECT_BROADCAST = "correct_broadcast"
    EXPORT_REACH = "export_reach"
    FILE_MISSION_REPORT = "file_mission_report"
    FILE_MINISTRY_REPORT = "file_ministry_report"
    CONFIRM_FIGURES = "confirm_figures"
    VIEW_REPORTS = "view_reports"
    TAKE_ON_REPORTING = "take_on_reporting"
    CHASE_MISSIONS = "chase_missions"
    MANAGE_REPORT_CODES = "manage_report_codes"
    VIEW_PERSONS = "view_persons"
    EDIT_PERSONS = "edit_persons"
    DECIDE_PUBLICATION = "decide_publication"
    RECORD_CHECKIN = "record_checkin"
    IMPORT_CITIZENS = "import_citizens"
    MANAGE_STAFF = "manage_staff"
    HANDLE_ALARMS = "handle_alarms"
    MANAGE_RULES = "manage_rules"
    VIEW_SUMMARY = "view_summary"
    WRITE_STATEMENT = "write_statement"
    PUBLISH_STATEMENT = "publish_statement"
    VIEW_MISSIONS = "view_missions"


_READ = frozenset({Permission.VIEW_INCIDENTS, Permission.VIEW_REPORTS, Permission.VIEW_MISSIONS})
_PERSONS = frozenset({Permission.VIEW_PERSONS, Permission.EDIT_PERSONS, Permission.RECORD_CHECKIN})
_MISSION = _READ | _PERSONS | {Permission.FILE_MISSION_REPORT, Permission.CONFIRM_FIGURES, Permission.TAKE_ON_REPORTING}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.MINISTER: _READ | {Permission.VIEW_SUMMARY, Permission.DECIDE_PUBLICATION, Permission.PUBLISH_STATEMENT},
        Role.DUTY_OFFICER: _READ
        | _PERSONS
        | {
            Permission.VIEW_SUMMARY,
            Permission.OPEN_INCIDENT,
            Permission.EDIT_INCIDENT,
            Permission.CLOSE_INCIDENT,
            Permission.WRITE_BROADCAST,
            Permission.RELEASE_FIRST_ALERT,
            Permission.CANCEL_BROADCAST,
            Permission.CORRECT_BROADCAST,
            Permission.EXPORT_REACH,
            Permission.WRITE_STATEMENT,
            Permission.FILE_MINISTRY_REPORT,
            Permission.CONFIRM_FIGURES,
            Permission.TAKE_ON_REPORTING,
            Permission.CHASE_MISSIONS,
            Permission.MANAGE_REPORT_CODES,
            Permission.IMPORT_CITIZENS,
            Permission.HANDLE_ALARMS,
        },
        Role.APPROVER: _READ
        | {
            Permission.VIEW_SUMMARY,
            Permission.APPROVE_BROADCAST,
            Permission.RELEASE_FIRST_ALERT,
            Permission.CANCEL_BROADCAST,
            Permission.CORRECT_BROADCAST,
            Permission.EXPORT_REACH,
            Permission.PUBLISH_STATEMENT,
        },
        Role.PUBLIC_INFORMATION: _READ | {Permission.VIEW_SUMMARY, Permission.WRITE_STATEMENT, Permission.PUBLISH_STATEMENT},
        Role.MISSION_STAFF: _MISSION,
        Role.HEAD_OF_MISSION: _MISSION | {Permission.OPEN_INCIDENT},
        Role.ADMINISTRATOR: frozenset(
            {
                Permission.MANAGE_STAFF,
                Permission.HANDLE_ALARMS,
                Permission.MANAGE_RULES,
                Permission.MANAGE_REPORT_CODES,
                Permission.VIEW_MISSIONS,
            }
        ),
    }
)

MISSION_ROLES = frozenset({Role.MISSION_STAFF, Role.HEAD_OF_MISSION})

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 200
USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]")

TOUCH_EVERY = timedelta(seconds=60)


def is_allowed(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]


def normalise_username(typed: str) -> str:
    """The same account whatever the case or the blanks around what was typed."""
    return typed.strip().lower()


def username_problem(username: str) -> str | None:
    """An error code, or None for a name of 3 to 64 of a-z, 0-9, dot, dash, underscore."""
    return None if USERNAME.fullmatch(username) else "username_form"


def password_problem(password: str, username: str) -> str | None:
    """An error code, or None. Length is what counts; nothing else is asked of a tired person."""
    if len(password) < MIN_PASSWORD_LENGTH:
        return "password_too_short"
    if len(password) > MAX_PASSWORD_LENGTH:
        return "password_too_long"
    if "\x00" in password or len(set(password)) < 5 or normalise_username(password) == username:
        return "password_too_simple"
    return None


def mission_problem(role: Role, mission_code: str | None) -> str | None:
    """Mission roles name exactly one mission, all others none."""
    if role in MISSION_ROLES and not mission_code:
        return "mission_required"
    if role not in MISSION_ROLES and mission_code:
        return "mission_not_allowed"
    return None


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures within the window, then wait until the oldest leaves it."""

    failures: int
    window: timedelta


ACCOUNT_LIMIT = Limit(failures=8, window=timedelta(minutes=15))
ADDRESS_LIMIT = Limit(failures=40, window=timedelta(minutes=15))
# An address where the account signed in lately is counted by itself, so that a stranger
# who guesses at the minister's name cannot lock the minister out.
KNOWN_ADDRESS_FOR = timedelta(days=30)


def retry_after_seconds(failed_at: Sequence[datetime], limit: Limit, now: datetime) -> int:
    """Seconds to wait before the next try; 0 means go on. `failed_at` in any order."""
    recent = sorted((at for at in failed_at if at > now - limit.window), reverse=True)
    if len(recent) < limit.failures:
        return 0
    frees_at = recent[limit.failures - 1] + limit.window
    return max(1, int((frees_at - now).total_seconds()) + 1)
