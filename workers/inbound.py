"""Tasks that answer citizens, and those that hand a text to home operators for phones that we do not know."""

from __future__ import annotations

import asyncio
from uuid import UUID

from alerts.channels.outlets import find_roaming_operator
from alerts.deliveries.roaming.sending import Patience, run_roaming
from alerts.inbox.replies.actions import ask_reply
from alerts.inbox.replies.sending import send_replies
from alerts.kit.db import begin
from alerts.kit.outbox import drain
from workers.app import Runtime
from workers.staff import outlet_of
from workers.tasks import Payload, task


@task("inbox.reply")
def reply(runtime: Runtime, payload: Payload) -> None:
    with begin(runtime.sessions) as session:
        ask_reply(session, UUID(payload["case_id"]))


@task("inbox.send_replies")
def send(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        drain(session, "inbox.send_replies")
    send_replies(runtime.settings, runtime.sessions, outlet_of(runtime))


@task("deliveries.roaming")
def roam(runtime: Runtime, _: Payload) -> None:
    asyncio.run(_roam(runtime))


async def _roam(runtime: Runtime) -> None:
    operator = find_roaming_operator(runtime.settings)
    if operator is None:
        return
    settings = runtime.settings
    patience = Patience(settings.roaming.lease_seconds, settings.delivery.retry_seconds, settings.roaming.count_seconds)
    try:
        await run_roaming(runtime.sessions, operator, patience)
    finally:
        await operator.close()
