"""Senders as they are usually written, for the judge: `python -m tests.support.naive_claims DESIGN BATCH LEASE_SECONDS`.

`requeue`: claim a batch with a lease, send each, mark each; a claim that expired is queued again. Whatever was sent and
not marked when its owner died (or when the batch took longer than its lease) is sent again.
`early`: take the batch off the queue first, then send. Whatever was taken and not sent when its owner died is lost.

One process, one connection, plain SQL; the attempt's name goes out in the callback's address, as ours does.
"""

from __future__ import annotations

import base64
import http.client
import os
import sys
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg

IDLE_SECONDS = 0.05


def main(design: str, batch: int, lease_seconds: float) -> None:
    url = os.environ["SIAGA_DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
    carrier = Carrier()
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            values = {"batch": batch, "lease": lease_seconds, "pid": os.getpid()}
            rows = connection.execute(CLAIM[design], values).fetchall()
            if not rows:
                time.sleep(IDLE_SECONDS)
            for number, to, tries in rows:
                carrier.send(to, f"{os.environ['NAIVE_RUN']}.{number}-{tries}".replace(".", "_"))
                connection.execute("UPDATE naive_message SET state = 'sent' WHERE id = %s", (number,))


class Carrier:
    """Twilio's create call over one kept-alive connection."""

    def __init__(self) -> None:
        self._address = urlsplit(os.environ["SIAGA_TWILIO_BASE_URL"]).netloc
        self._account = os.environ["SIAGA_TWILIO_ACCOUNT_SID"]
        self._from = os.environ["SIAGA_TWILIO_FROM"]
        secret = f"{self._account}:{os.environ['SIAGA_TWILIO_AUTH_TOKEN']}".encode()
        self._headers = {"Authorization": "Basic " + base64.b64encode(secret).decode(), "Content-Type": "application/x-www-form-urlencoded"}
        self._connection = http.client.HTTPConnection(self._address, timeout=10)

    def send(self, to: str, attempt: str) -> None:
        fields = {"To": to, "From": self._from, "Body": "Gempa kuat.", "StatusCallback": f"http://127.0.0.1:9/status/{attempt}.0"}
        path = f"/2010-04-01/Accounts/{self._account}/Messages.json"
        self._connection.request("POST", path, urlencode(fields), self._headers)
        self._connection.getresponse().read()


def facts_of(run: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the twin's table claims, in the judge's form. It knows every try that it may have begun."""
    return {
        "members": [{"broadcast": run, "person": str(row["id"])} for row in rows],
        "attempts": [
            {"attempt": f"{run}_{row['id']}-{n}", "broadcast": run, "person": str(row["id"]), "step": "1", "number": n}
            for row in rows
            for n in range(1, row["tries"] + 1)
        ],
    }


MAKE = """
DROP TABLE IF EXISTS naive_message;
CREATE TABLE naive_message (
    id int PRIMARY KEY, to_number text, state text DEFAULT 'queued', owner int, lease_until timestamptz, tries int DEFAULT 0)
"""
FILL = "INSERT INTO naive_message (id, to_number) SELECT n, '+62813' || (10000000 + n) FROM generate_series(1, :people) n"

_CLAIM = """
UPDATE naive_message SET state = {taken}, owner = %(pid)s, tries = tries + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id IN (SELECT id FROM naive_message WHERE state = 'queued' OR state = 'claimed' AND lease_until < clock_timestamp()
             ORDER BY id LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
RETURNING id, to_number, tries
"""
CLAIM = {"requeue": _CLAIM.format(taken="'claimed'"), "early": _CLAIM.format(taken="'taken'")}
LEFT = """
SELECT count(*) AS n FROM naive_message WHERE state IN ('queued', 'claimed') OR state = 'taken' AND owner = ANY (:alive)
"""
"""What somebody will still send: what was taken off the queue by a process that is dead, nobody will."""

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
