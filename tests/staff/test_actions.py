"""Accounts and tokens: making, disabling, resetting, revoking."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.kit.actor import SYSTEM
from alerts.kit.audit import ActionLog
from alerts.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from alerts.settings import Settings
from alerts.staff.access import check_session_actor
from alerts.staff.actions import (
    NewStaff,
    change_password,
    create_first_administrator,
    create_staff,
    create_token,
    disable_staff,
    enable_staff,
    reset_staff,
    revoke_token,
)
from alerts.staff.credentials import verify_password
from alerts.staff.models import ApiToken, Staff
from alerts.staff.queries import get_staff
from alerts.staff.rules import Role
from alerts.staff.sign_in import SignedIn, Try, sign_in
from tests.factories.staff import PASSWORD, make_actor, make_staff, session_headers


def test_a_new_account_has_a_password_that_works_and_must_be_changed(session: Session, settings: Settings) -> None:
    admin = make_actor(session, "administrator")
    issued = create_staff(session, actor=admin, command=NewStaff("Petugas.Satu", "Petugas Satu", Role.DUTY_OFFICER))
    outcome = sign_in(session, keyring=settings.keyring, attempt=Try("petugas.satu", issued.secret, "192.0.2.1"))
    assert isinstance(outcome, SignedIn)
    assert outcome.staff.must_change_password


def test_the_password_is_stored_by_argon2_and_nowhere_else(session: Session) -> None:
    command = NewStaff("petugas.satu", "Petugas Satu", Role.DUTY_OFFICER, password=PASSWORD)
    issued = create_staff(session, actor=SYSTEM, command=command)
    assert get_staff(session, issued.id).password_hash.startswith("$argon2id$")
    rows = session.execute(text("SELECT coalesce(string_agg(staff::text, ''), '') FROM staff")).scalar_one()
    log = session.execute(text("SELECT string_agg(action_log::text, '') FROM action_log")).scalar_one()
    assert PASSWORD not in rows + log


def test_a_user_name_is_taken_in_any_case(session: Session) -> None:
    staff = make_staff(session)
    with pytest.raises(ConflictError) as error:
        create_staff(session, actor=SYSTEM, command=NewStaff(staff.username.upper(), "Another", Role.MINISTER))
    assert error.value.field == "username"


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (NewStaff("a b", "Nama", Role.MINISTER), "username"),
        (NewStaff("menteri", "  ", Role.MINISTER), "display_name"),
        (NewStaff("menteri", "Nama", Role.MINISTER, password="pendek"), "password"),
        (NewStaff("menteri", "Nama", Role.MINISTER, mission_code="kbri-ankara"), "mission_code"),
        (NewStaff("lokal", "Nama", Role.MISSION_STAFF), "mission_code"),
        (NewStaff("menteri", "Nama", Role.MINISTER, language="xx"), "language"),
    ],
)
def test_what_will_not_do_names_its_field(session: Session, command: NewStaff, field: str) -> None:
    with pytest.raises(InvalidError) as error:
        create_staff(session, actor=SYSTEM, command=command)
    assert error.value.field == field


def test_the_database_itself_refuses_a_mission_role_without_a_mission(session: Session) -> None:
    with pytest.raises(IntegrityError):
        session.execute(text("INSERT INTO staff (username, display_name, role, password_hash) VALUES ('x', 'x', 'mission_staff', '')"))


def test_the_first_administrator_is_made_once(session: Session) -> None:
    create_first_administrator(session, username="admin.satu", password=PASSWORD)
    with pytest.raises(ConflictError):
        create_first_administrator(session, username="admin.dua", password=PASSWORD)


def test_the_first_administrator_needs_a_password_that_somebody_chose(session: Session) -> None:
    with pytest.raises(InvalidError):
        create_first_administrator(session, username="admin.satu", password="")


def test_nobody_disables_the_own_account_or_the_last_administrator(session: Session) -> None:
    admin = make_actor(session, "administrator")
    assert admin.staff_id
    with pytest.raises(ConflictError, match="your account"):
        disable_staff(session, actor=admin, staff_id=admin.staff_id)
    with pytest.raises(ConflictError, match="last administrator"):
        disable_staff(session, actor=SYSTEM, staff_id=admin.staff_id)
    make_staff(session, "administrator")
    disable_staff(session, actor=SYSTEM, staff_id=admin.staff_id)
    assert not get_staff(session, admin.staff_id).is_active


def test_a_disabled_account_can_be_enabled_but_its_old_session_stays_ended(
    client: TestClient, session: Session, settings: Settings
) -> None:
    staff = make_staff(session)
    headers = session_headers(session, staff, settings)
    disable_staff(session, actor=SYSTEM, staff_id=staff.id)
    enable_staff(session, actor=SYSTEM, staff_id=staff.id)
    session.commit()
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_reset_gives_a_new_password_and_ends_sessions(client: TestClient, session: Session, settings: Settings) -> None:
    staff = make_staff(session)
    headers = session_headers(session, staff, settings)
    issued = reset_staff(session, actor=SYSTEM, staff_id=staff.id)
    session.commit()
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    assert verify_password(issued.secret, get_staff(session, staff.id).password_hash)
    assert not verify_password(PASSWORD, get_staff(session, staff.id).password_hash)


def test_changing_the_password_needs_the_present_one(session: Session) -> None:
    actor = make_actor(session)
    with pytest.raises(InvalidError) as error:
        change_password(session, actor=actor, current="bukan kata sandinya", new="kata sandi yang baru")
    assert error.value.field == "current"
    change_password(session, actor=actor, current=PASSWORD, new="kata sandi yang baru")
    assert actor.staff_id
    assert verify_password("kata sandi yang baru", get_staff(session, actor.staff_id).password_hash)


def test_a_token_acts_as_its_account_until_it_is_revoked(client: TestClient, session: Session) -> None:
    staff = make_staff(session, "mission_staff")
    issued = create_token(session, actor=SYSTEM, staff_id=staff.id, name="replay")
    session.commit()
    headers = {"Authorization": f"Bearer {issued.secret}"}
    me = client.get("/api/v1/me", headers=headers).json()
    assert (me["id"], me["via"], me["mission_code"]) == (str(staff.id), "token", "kbri-ankara")
    revoke_token(session, actor=SYSTEM, token_id=issued.id)
    session.commit()
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_token_is_stored_as_a_hash_only(session: Session) -> None:
    issued = create_token(session, actor=SYSTEM, staff_id=make_staff(session).id, name="x")
    assert issued.secret.encode() not in session.scalars(select(ApiToken.token_hash)).one()


@pytest.mark.parametrize("secret", ["", "siaga_", "siaga_" + "A" * 43, "é"])
def test_an_invented_token_is_refused(client: TestClient, secret: str) -> None:
    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}".encode()}).status_code == 401


def test_a_disabled_account_gets_no_token(session: Session) -> None:
    staff = make_staff(session, is_active=False)
    with pytest.raises(ConflictError):
        create_token(session, actor=SYSTEM, staff_id=staff.id, name="x")


def test_a_token_is_no_person_at_a_screen(session: Session) -> None:
    from alerts.kit.actor import Via

    check_session_actor(make_actor(session))
    with pytest.raises(ForbiddenError):
        check_session_actor(make_actor(session, via=Via.TOKEN))


def test_every_act_is_in_the_log(session: Session) -> None:
    staff = make_staff(session)
    token = create_token(session, actor=SYSTEM, staff_id=staff.id, name="x")
    revoke_token(session, actor=SYSTEM, token_id=token.id)
    reset_staff(session, actor=SYSTEM, staff_id=staff.id)
    disable_staff(session, actor=SYSTEM, staff_id=staff.id)
    actions = session.scalars(select(ActionLog.action).order_by(ActionLog.id)).all()
    assert actions == ["token.created", "token.revoked", "staff.reset", "staff.disabled"]


def test_an_unknown_account_is_404(session: Session) -> None:
    with pytest.raises(NotFoundError):
        disable_staff(session, actor=SYSTEM, staff_id=uuid4())


def test_staff_is_a_table_without_a_plain_secret() -> None:
    assert {"password", "token", "secret"}.isdisjoint(Staff.__table__.columns.keys())
