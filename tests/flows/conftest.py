"""An alert and an exercise at once, over two sets of sandbox carriers, with a register that has one tester in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from alerts.app import create_app
from alerts.broadcasts.actions import approve_broadcast, draft_broadcast, submit_broadcast
from alerts.broadcasts.schemas import Approval, BroadcastDraft
from alerts.channels.rule_book_outlets import SenderSets
from alerts.deliveries.actions import release_all
from alerts.deliveries.carriers import Carriers
from alerts.deliveries.queries import invariants
from alerts.deliveries.sending import send_batch
from alerts.inbox.actions import understand_message
from alerts.incidents.rules import Status
from alerts.kit.db import Sessions, begin, rows_of
from alerts.settings import Settings
from tests.factories.citizens import make_citizen
from tests.factories.incidents import make_incident
from tests.factories.staff import make_actor, make_staff, session_headers
from tests.notices.test_carriers import DRILL, LIVE, Carrier, running_carrier
from tests.support.servers import Servers

TESTER, OTHER = "+60123450001", "+60123450002"
LIVE_TOKEN, DRILL_TOKEN = "t" + LIVE, "t" + DRILL
HERE = "http://127.0.0.1:9"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SIDS = '{"id": {"plain": "HX00000000000000000000000000000001"}, "en": {"plain": "HX00000000000000000000000000000002"}}'


@dataclass
class Worlds:
    """An alert and an exercise at once, in one country, to one register with one tester in it; both were sent."""

    settings: Settings
    sessions: Sessions
    carriers: Carriers
    client: TestClient
    headers: dict[str, str]
    incidents: dict[Status, UUID]
    broadcasts: dict[Status, UUID]

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with begin(self.sessions) as session:
            return rows_of(session.execute(text(query), values))

    def member(self, status: Status) -> int:
        [found] = self.rows(
            "SELECT m.id FROM audience_member m JOIN citizen c ON c.id = m.citizen_id WHERE broadcast_id = :b AND c.is_tester",
            b=self.broadcasts[status],
        )
        return int(found["id"])

    def hook(self, path: str, token: str, **form: str) -> Response:
        url = self.settings.public_url + path
        return self.client.post(path, data=form, headers={"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)})

    def text_in(self, sender: str, body: str, token: str) -> dict[str, Any]:
        """Somebody writes to the number of an account, and a worker reads it."""
        sid = f"SM{uuid4().hex}"
        assert self.hook("/hooks/twilio/inbound", token, MessageSid=sid, From=sender, To="+15005550006", Body=body).status_code == 200
        [row] = self.rows("SELECT id FROM inbound_message WHERE provider_id = :sid", sid=sid)
        with begin(self.sessions) as session:
            understand_message(session, keyring=self.settings.keyring, message_id=row["id"])
        [found] = self.rows("SELECT * FROM inbound_message WHERE id = :id", id=row["id"])
        return found


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Carrier]:
    with running_carrier(tmp_path, LIVE) as carrier:
        yield carrier


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Carrier]:
    with running_carrier(tmp_path, DRILL) as carrier:
        yield carrier


@pytest.fixture
def world_settings(make_settings: Callable[..., Settings], servers: Servers, database_url: str, live: Carrier, drill: Carrier) -> Settings:
    return make_settings(
        database_url,
        SIAGA_PUBLIC_URL=HERE,
        SIAGA_REDIS_PREFIX=f"{servers.redis_prefix}{uuid4().hex}:",
        SIAGA_TWILIO_ACCOUNT_SID=LIVE,
        SIAGA_TWILIO_AUTH_TOKEN=LIVE_TOKEN,
        SIAGA_TWILIO_FROM="+15005550006",
        SIAGA_TWILIO_BASE_URL=live.url,
        SIAGA_FCM_PROJECT="live",
        SIAGA_FCM_STATIC_TOKEN="push-" + LIVE,
        SIAGA_FCM_BASE_URL=live.url,
        SIAGA_EXERCISE_TWILIO_ACCOUNT_SID=DRILL,
        SIAGA_EXERCISE_TWILIO_AUTH_TOKEN=DRILL_TOKEN,
        SIAGA_EXERCISE_TWILIO_FROM="+15005550009",
        SIAGA_EXERCISE_TWILIO_BASE_URL=drill.url,
        SIAGA_EXERCISE_FCM_PROJECT="drill",
        SIAGA_EXERCISE_FCM_STATIC_TOKEN="push-" + DRILL,
        SIAGA_EXERCISE_FCM_BASE_URL=drill.url,
        SIAGA_EXERCISE_WHATSAPP_FROM="+15005550012",
        SIAGA_EXERCISE_WHATSAPP_CONTENT_SIDS=SIDS,
    )


@pytest.fixture
def worlds(world_settings: Settings, sessions: Sessions) -> Iterator[Worlds]:
    carriers, incidents, broadcasts = Carriers(world_settings), {}, {}
    with begin(sessions) as session:
        make_citizen(session, world_settings.keyring, phones=(TESTER,), is_tester=True)
        make_citizen(session, world_settings.keyring, phones=(OTHER,))
        author, approver = make_actor(session, "duty_officer"), make_actor(session, "approver")
        staff = make_staff(session, "duty_officer")
        headers = session_headers(session, staff, world_settings, HERE)
        for status in Status:
            incidents[status] = make_incident(session, status=status).id
            command = BroadcastDraft(texts={"id": "Gempa kuat.", "en": "Strong earthquake."}, channels=["sms"])
            broadcast = draft_broadcast(session, actor=author, incident_id=incidents[status], command=command)
            submit_broadcast(session, actor=author, broadcast_id=broadcast.id, configured=SenderSets.of(world_settings))
            approve_broadcast(
                session, actor=approver, broadcast_id=broadcast.id, command=Approval(content_hash=broadcast.content_hash or "")
            )
            broadcasts[status] = broadcast.id
    with TestClient(create_app(world_settings, sessions), base_url=HERE) as client:
        made = Worlds(world_settings, sessions, carriers, client, headers, incidents, broadcasts)
        for broadcast_id in broadcasts.values():
            release_all(world_settings, sessions, broadcast_id)
        for row in made.rows("SELECT id FROM delivery_batch ORDER BY id"):
            assert send_batch(world_settings, sessions, carriers, batch_id=row["id"], owner="test")
        yield made
    carriers.close()
    with begin(sessions) as session:
        assert invariants(session) == []
