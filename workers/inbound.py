"""Tasks that answer citizens: the text back to somebody who called for help."""

from __future__ import annotations

from uuid import UUID

from alerts.inbox.replies.actions import ask_reply
from alerts.inbox.replies.sending import send_replies
from alerts.kit.db import begin
from alerts.kit.outbox import drain
from workers.app import Runtime
from workers.staff import StaffOutlet
from workers.tasks import Payload, task


@task("inbox.reply")
def reply(runtime: Runtime, payload: Payload) -> None:
    with begin(runtime.sessions) as session:
        ask_reply(session, UUID(payload["case_id"]))


@task("inbox.send_replies")
def send(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        drain(session, "inbox.send_replies")
    send_replies(runtime.settings, runtime.sessions, StaffOutlet(runtime.carriers))
