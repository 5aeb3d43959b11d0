"""The application with its pages, and a browser that is only a client: forms and redirects, no script."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session

from alerts.console.routes import install
from alerts.settings import Settings
from alerts.staff.access import cookie_name
from tests.factories.staff import make_session, make_staff

Browser = Callable[..., "Person"]


class Person:
    """Somebody signed in, as their browser speaks to the server."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    def get(self, path: str, **headers: str) -> Response:
        return self._client.get(path, headers=self._headers | headers, follow_redirects=False)

    def post(self, path: str, **form: object) -> Response:
        """A form as a browser sends it, with the page it came from."""
        referer = {"Referer": f"http://testserver{form.pop('came_from', path)}"}
        return self._client.post(path, data=form, headers=self._headers | referer, follow_redirects=False)  # type: ignore[arg-type]

    def send_file(self, path: str, name: str, file: tuple[str, IO[bytes], str], **form: object) -> Response:
        """The same, with a file in it."""
        referer = {"Referer": f"http://testserver{form.pop('came_from', path)}"}
        headers = self._headers | referer
        return self._client.post(path, data=form, files={name: file}, headers=headers, follow_redirects=False)  # type: ignore[arg-type]


@pytest.fixture
def browse(client: TestClient, session: Session, settings: Settings) -> Browser:
    """`browse("duty_officer")` → a signed-in Person; `lang` as the browser asks for it."""

    def begin(role: str, lang: str = "id", **fields: object) -> Person:
        staff = make_staff(session, role, language=lang, **fields)
        secret = make_session(session, staff)
        session.commit()
        return Person(client, {"Cookie": f"{cookie_name(settings)}={secret}", "Origin": "http://testserver"})

    return begin


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    """With its pages, whoever put them in."""
    install(app)
    return app
