"""Other doors for the same route of check-ins by link: `bare` writes nothing, `naive` is a transaction per request.

The whole product around them is the same: server, routes, form, signature, page. Only what is behind the door differs.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uvicorn
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from alerts.app import create_app
from alerts.checkins.actions import LinkHolder, NewCheckin, actor_of_link, find_link_holder, record_checkin
from alerts.checkins.models import Checkin
from alerts.checkins.storm import Heard, Knock, Noted
from alerts.kit.db import begin
from alerts.kit.ids import is_member_token_valid, parse_member_token
from alerts.settings import Settings


class Bare:
    """The limit: the link's signature is checked, and the answer is thanked for and forgotten."""

    def __init__(self, state: Any) -> None:
        self._key = state.settings.keyring.link

    async def add(self, knock: Knock) -> Heard:
        """As if written now."""
        token = parse_member_token(knock.token)
        if token is None or not is_member_token_valid(self._key, token, 1):
            return None
        nobody = LinkHolder(token.number, INCIDENT, INCIDENT, "id", is_exercise=False, generation=1, is_cancelled=False)
        return Noted(nobody, knock.form.answer, datetime.now(UTC))


class Naive:
    """What everybody writes: look the link up, look for the last answer, add a row, commit; one request after the other per thread."""

    def __init__(self, state: Any) -> None:
        self._sessions, self._keyring = state.sessions, state.settings.keyring

    async def add(self, knock: Knock) -> Heard:
        """In one of the server's threads."""
        return await run_in_threadpool(self._write, knock)

    def _write(self, knock: Knock) -> Heard:
        with begin(self._sessions) as session:
            holder = find_link_holder(session, self._keyring, knock.token, knock.status)
            if holder is None:
                return None
            mine = select(Checkin).where(Checkin.member_id == holder.member_id).order_by(Checkin.id.desc()).limit(1)
            last = session.scalars(mine).one_or_none()
            if last is None or last.answer is not knock.form.answer:
                new = NewCheckin(holder.incident_id, holder.citizen_id, knock.form.answer, knock.form.channel, holder.member_id)
                last = record_checkin(session, actor=actor_of_link(holder.member_id), keyring=self._keyring, new=new)
            return Noted(holder, last.answer, last.received_at)


INCIDENT = UUID(int=0)
DOORS: dict[str, type[Bare | Naive]] = {"bare": Bare, "naive": Naive}


def main(door: str, port: str) -> None:
    """Serve the product with this door."""
    settings = Settings.from_environment()
    app = create_app(settings)
    app.state.checkin_door = DOORS[door](app.state)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
