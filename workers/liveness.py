"""Tasks that prove that the chain works: a message to our own end by every sender, and the promises of the tables."""

from __future__ import annotations

from alerts.channels.sms_dialect import codes_of
from alerts.deliveries.round_trips.actions import begin_trips, follow_trips
from alerts.deliveries.vitals import measure
from alerts.deliveries.watching import watch_failures
from alerts.kit.db import begin
from workers.app import Runtime
from workers.tasks import Payload, task
from workers.wiring import watch


@task("round_trips.run")
def round_trips(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        follow_trips(session, runtime.settings)
    with begin(runtime.sessions) as session:
        begin_trips(session, runtime.settings)


@task("deliveries.watch")
def count_failures(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        watch_failures(session, codes=codes_of(runtime.settings))


@task("deliveries.check")
def check_promises(runtime: Runtime, _: Payload) -> None:
    with begin(runtime.sessions) as session:
        measure(session, watch(runtime.settings))
