"""Rights, passwords and waiting times, without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.staff.rules import (
    ACCOUNT_LIMIT,
    MISSION_ROLES,
    PERMISSIONS,
    Permission,
    Role,
    is_allowed,
    mission_problem,
    normalise_username,
    password_problem,
    retry_after_seconds,
    username_problem,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_every_role_has_a_row_and_every_permission_somebody() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set().union(*PERMISSIONS.values()) == set(Permission)


def test_nobody_both_writes_and_approves() -> None:
    both = {Permission.WRITE_BROADCAST, Permission.APPROVE_BROADCAST}
    assert [role for role in Role if both <= PERMISSIONS[role]] == []


def test_the_administrator_sees_no_person_and_no_incident() -> None:
    assert not is_allowed(Role.ADMINISTRATOR, Permission.VIEW_PERSONS)
    assert not is_allowed(Role.ADMINISTRATOR, Permission.VIEW_INCIDENTS)


def test_mission_roles_file_for_their_mission_only() -> None:
    for role in MISSION_ROLES:
        assert is_allowed(role, Permission.FILE_MISSION_REPORT)
        assert not is_allowed(role, Permission.FILE_MINISTRY_REPORT)
        assert not is_allowed(role, Permission.WRITE_BROADCAST)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("pendek", "password_too_short"),
        ("x" * 11, "password_too_short"),
        ("x" * 12, "password_too_simple"),
        ("petugas.satu.", None),
        ("Petugas.Satu", "password_too_simple"),
        ("empat kata panjang\x00", "password_too_simple"),
        ("a b c d e f " * 17, "password_too_long"),
        ("kopi gempa laut jam", None),
    ],
)
def test_password(password: str, problem: str | None) -> None:
    assert password_problem(password, "petugas.satu") == problem


@pytest.mark.parametrize("name", ["ab", "-abc", "abc-", "a b c", "naïve", "a" * 65, "", "abc\x00d"])
def test_a_username_that_will_not_do(name: str) -> None:
    assert username_problem(name) == "username_form"


def test_a_username_is_the_same_in_any_case() -> None:
    assert normalise_username("  Petugas.Satu ") == "petugas.satu"
    assert username_problem("petugas.satu") is None


@pytest.mark.parametrize(
    ("role", "mission", "problem"),
    [
        (Role.MISSION_STAFF, None, "mission_required"),
        (Role.HEAD_OF_MISSION, "", "mission_required"),
        (Role.MISSION_STAFF, "kbri-ankara", None),
        (Role.MINISTER, "kbri-ankara", "mission_not_allowed"),
        (Role.MINISTER, None, None),
    ],
)
def test_mission_of_role(role: Role, mission: str | None, problem: str | None) -> None:
    assert mission_problem(role, mission) == problem


def test_one_failure_fewer_than_the_limit_does_not_wait() -> None:
    fails = [NOW - timedelta(seconds=n) for n in range(ACCOUNT_LIMIT.failures - 1)]
    assert retry_after_seconds(fails, ACCOUNT_LIMIT, NOW) == 0


def test_at_the_limit_the_wait_ends_when_the_oldest_leaves_the_window() -> None:
    fails = [NOW - timedelta(minutes=n) for n in range(ACCOUNT_LIMIT.failures)]
    oldest = fails[-1]
    expected = (oldest + ACCOUNT_LIMIT.window - NOW).total_seconds()
    assert expected <= retry_after_seconds(fails, ACCOUNT_LIMIT, NOW) <= expected + 2


def test_old_failures_are_forgotten() -> None:
    fails = [NOW - ACCOUNT_LIMIT.window] * 50
    assert retry_after_seconds(fails, ACCOUNT_LIMIT, NOW) == 0
