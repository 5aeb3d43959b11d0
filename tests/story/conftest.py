"""Fixtures of stories told over HTTP, in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from alerts.story.api import Api
from tests.story.worlds import MISSIONS, InProcess, Teller

SignIn = Callable[..., dict[str, str]]


@pytest.fixture
def teller(client: TestClient, session: Session, sign_in: SignIn) -> Callable[[str], Teller]:
    session.commit()

    def told(name: str) -> Teller:
        bearer = {"ministry": sign_in("duty_officer", via="token")}
        bearer |= {f"mission:{code}": sign_in("head_of_mission", code, via="token") for code in MISSIONS[name]}
        tokens = {source: headers["Authorization"].removeprefix("Bearer ") for source, headers in bearer.items()}
        return Teller(client, Api("", tokens, InProcess(client)), bearer["ministry"])

    return told
