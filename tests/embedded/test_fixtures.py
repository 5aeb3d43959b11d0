"""The fixtures keep their own promises."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from alerts.embedded import safety, scratch
from alerts.kit import outbox
from alerts.kit.db import Sessions, begin
from tests.support.loopback import OutsideWorldError


def count_outbox(session: Session) -> int:
    return session.execute(text("SELECT count(*) FROM outbox_event")).scalar_one()


@pytest.mark.parametrize("turn", [1, 2])
def test_what_a_test_commits_is_gone_for_the_next(session: Session, savepoint_sessions: Sessions, turn: int) -> None:
    assert count_outbox(session) == 0
    with begin(savepoint_sessions) as other:
        outbox.publish(other, "incident.opened", incident_id="x")
    assert count_outbox(session) == 1


def test_true_connections_see_only_what_is_committed(sessions: Sessions) -> None:
    with sessions() as first, sessions() as second:
        outbox.publish(first, "incident.opened", incident_id="x")
        first.flush()
        assert count_outbox(second) == 0
        first.commit()
        second.rollback()
        assert count_outbox(second) == 1


def test_true_connections_begin_with_an_empty_database(sessions: Sessions) -> None:
    with sessions() as session:
        assert count_outbox(session) == 0
        assert session.execute(text("SHOW server_version_num")).scalar_one() >= "180000"


def test_other_machines_are_out_of_reach() -> None:
    with pytest.raises(OutsideWorldError), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(OutsideWorldError):
        socket.getaddrinfo("example.org", 443)


def test_no_live_setting_is_left_for_a_test() -> None:
    assert {name for name in os.environ if name.startswith("SIAGA_")} <= safety.KEPT_SETTINGS - {"SIAGA_DATABASE_URL", "SIAGA_REDIS_URL"}


def test_temporary_files_and_caches_lie_in_the_checkout(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    inside = [Path(tempfile.gettempdir()), tmp_path, *(Path(os.environ[n]) for n in os.environ if n.startswith("XDG_"))]
    inside.append(Path(pytestconfig.cache.makedir("siaga")))
    assert all(path.is_relative_to(scratch.CHECKOUT) for path in inside), inside


def test_the_client_and_the_session_share_one_rolled_back_transaction(
    client: TestClient, session: Session, sign_in: Callable[..., dict[str, str]]
) -> None:
    headers = sign_in("duty_officer")
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    assert client.get("/api/v1/me").status_code == 401
    assert session.execute(text("SELECT count(*) FROM staff")).scalar_one() == 1


def test_the_committed_client_works_with_true_commits(
    committed_client: TestClient, sessions: Sessions, sign_in: Callable[..., dict[str, str]]
) -> None:
    headers = sign_in("mission_staff", "kbri-ankara", via="token")
    assert committed_client.get("/api/v1/me", headers=headers).status_code == 200
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM staff")).scalar_one() == 1
