"""The fan-out as it is usually written, for comparison: one Celery task per message, and Twilio's own client.

`work` runs the workers, `door PORT` takes receipts (a short transaction for each); `enqueue N` writes N messages, enqueues
a task for each, waits until the last is marked sent, and prints `{"seconds": …, "cpu_seconds": …, "sent": N}` (processor
time: its own). Each task claims its row, sends, and marks it: two short transactions. Everything is set in its favour: plain
numbers and texts in the row, plain SQL instead of objects, kept-alive connections, prefetching.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy import Engine, create_engine, text

PROCESSES = 2
PATIENCE_SECONDS = 540.0
BODY = (
    "Gempa kuat di dekat Anda. Keluar dari gedung, jauhi kaca dan tebing, ikuti petugas setempat. "
    "Kabari kami: http://127.0.0.1/i/1.2SxuXJcPzrjL2UUSwKPbHE"
)

celery = Celery("naive", broker=os.environ.get("SIAGA_REDIS_URL", "memory://"))
celery.conf.update(
    broker_transport_options={"global_keyprefix": os.environ.get("SIAGA_REDIS_PREFIX", "") + "naive:"},
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
hands: dict[str, Any] = {}


def make_hands() -> None:
    """One pool and one client with kept-alive connections per process. Only these need Twilio's library, which is slow to load."""
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    client = Client(os.environ["SIAGA_TWILIO_ACCOUNT_SID"], os.environ["SIAGA_TWILIO_AUTH_TOKEN"], http_client=TwilioHttpClient())
    client.api.base_url = os.environ["SIAGA_TWILIO_BASE_URL"]
    hands.update(client=client, engine=make_engine())


def make_engine() -> Engine:
    return create_engine(os.environ["SIAGA_DATABASE_URL"])


@celery.task(name="naive.send")
def send(number: int) -> None:
    engine, client = hands["engine"], hands["client"]
    with engine.begin() as connection:
        row = connection.execute(text(CLAIM), {"id": number}).first()
    if row is None:
        return
    sent = client.messages.create(
        to=row.to_number,
        from_=os.environ["SIAGA_TWILIO_FROM"],
        body=row.body,
        status_callback=f"{os.environ['NAIVE_DOOR']}/status/{number}",
    )
    with engine.begin() as connection:
        connection.execute(text(MARK), {"id": number, "provider_id": sent.sid})


def work() -> None:
    worker_process_init.connect(lambda **_: make_hands(), weak=False)
    options = ["--quiet", "worker", "--pool=prefork", f"--concurrency={PROCESSES}", "--loglevel=WARNING"]
    celery.worker_main([*options, "--without-gossip", "--without-mingle", "--without-heartbeat"])


def open_door(port: int) -> None:
    """A plain function per receipt in FastAPI's threads, one process. It looks at no signature: in its favour."""
    import uvicorn
    from fastapi import FastAPI, Form

    app, engine = FastAPI(), create_engine(os.environ["SIAGA_DATABASE_URL"], pool_size=20, max_overflow=20)

    def receive(number: int, status: str = Form(alias="MessageStatus")) -> None:
        with engine.begin() as connection:
            connection.execute(text(RECEIVE), {"id": number, "status": status})

    app.add_api_route("/status/{number}", receive, methods=["POST"], status_code=204)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def enqueue(count: int) -> None:
    engine = make_engine()
    with engine.begin() as connection:
        connection.execute(text(MAKE))
        connection.execute(text("TRUNCATE naive_message"))
        connection.execute(text(FILL), {"count": count, "body": BODY})
    began, used = time.perf_counter(), time.process_time()
    for number in range(1, count + 1):
        send.delay(number)
    while (done := count_sent(engine)) < count:
        if time.perf_counter() - began > PATIENCE_SECONDS:
            sys.exit(f"only {done} of {count} were sent")
        time.sleep(0.02)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - used
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "sent": done}))
    engine.dispose()


def count_sent(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM naive_message WHERE state = 'sent'")).scalar_one())


MAKE = """
CREATE TABLE IF NOT EXISTS naive_message
    (id bigint PRIMARY KEY, to_number text NOT NULL, body text NOT NULL, state text NOT NULL, provider_id text, receipt text)
"""
FILL = "INSERT INTO naive_message SELECT n, '+62813' || (10000000 + n), :body, 'queued', NULL FROM generate_series(1, :count) n"
CLAIM = "UPDATE naive_message SET state = 'sending' WHERE id = :id AND state = 'queued' RETURNING to_number, body"
MARK = "UPDATE naive_message SET state = 'sent', provider_id = :provider_id WHERE id = :id AND state = 'sending'"

RECEIVE = "UPDATE naive_message SET receipt = :status WHERE id = :id"

if __name__ == "__main__":
    match sys.argv[1]:
        case "work":
            work()
        case "door":
            open_door(int(sys.argv[2]))
        case _:
            enqueue(int(sys.argv[2]))
