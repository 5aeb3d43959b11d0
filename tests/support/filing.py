"""A report on its way to the sheet while parts of a Siaga die: who files, what dies, and what has to be true afterwards."""

from __future__ import annotations

import html
import re
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event
from time import monotonic
from types import MappingProxyType
from typing import Any

import requests

from tests.support.breaking import SETTLE_SECONDS, Scene, frozen
from tests.support.stages import INCIDENT, wait_until

PROVINCES, SOURCES = 81, ("ministry", "mission:kbri-ankara")
BACK_SECONDS = 15.0
"""The promise: so long after what had gone is back, every screen shows what was filed."""
LONGEST_FREEZE = 10.0
PAUSE_SECONDS = 0.1
CLAUSES = ["as_of", "present", "voluntary", "injured", "appeal"]


@dataclass
class Filing:
    """One incident and all that was filed into it; nobody who files gives up before there is an answer."""

    scene: Scene
    incident_id: str
    answered: list[str] = field(default_factory=list)
    """Ids of reports, as the answers named them."""
    took: list[float] = field(default_factory=list)
    """Seconds from when all was back to when the newest stored sheet showed everything."""
    _places: Iterator[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = ((source, f"TR-{number:02}") for source in SOURCES for number in range(1, PROVINCES + 1))

    @classmethod
    def begun(cls, scene: Scene) -> Filing:
        """With an incident of its own, whose first sheet is stored."""
        filing = cls(scene, scene.ministry.done("POST", "/api/v1/incidents", INCIDENT | {"title": f"Gempa {uuid.uuid4().hex[:6]}"})["id"])
        wait_until(filing.newest)
        return filing

    @property
    def path(self) -> str:
        return f"/api/v1/incidents/{self.incident_id}"

    def file(self) -> str:
        """A place that nobody spoke of before; sent again with the same key until it is answered. The report's id."""
        source, place = next(self._places)
        lines = [{"category": "injured", "places": [place], "value": 1}]
        body = {"source": source, "as_of": datetime.now(UTC).isoformat(), "lines": lines}
        who = "duty_officer" if source == "ministry" else "ankara"
        report = until_answered(lambda key: self.scene.ministry.call("POST", f"{self.path}/reports", body, who=who, **key), 201)
        self.answered.append(report["id"])
        return str(report["id"])

    def newest(self) -> dict[str, Any] | None:
        """The newest stored sheet: what a screen is told of."""
        rows = self.scene.rows(NEWEST, id=self.incident_id)
        return rows[0]["content"] if rows else None

    def is_shown(self) -> bool:
        return set(self.answered) <= set(reports_on(self.newest() or {}))

    def round(self, part: str, moment: str, *, count: int = 2) -> None:
        """Something goes while reports are filed, and comes back; all that was answered is there soon, and once."""
        with ThreadPoolExecutor(count) as pool:
            before = self._begin(pool, count) if moment == "during" else [] if moment == "before" else finish(self._begin(pool, count))
            if moment == "during":
                Event().wait(self.scene.rng.uniform(0, PAUSE_SECONDS))  # the moment of the fault, not a synchronisation
            with BREAKS[part](self.scene):
                waiting = self._begin(pool, count) if moment == "before" else []
                if part != "serve":  # the door is open: they are taken meanwhile, not afterwards
                    finish(waiting)
            back_at = monotonic()
            finish([*before, *waiting])
        wait_until(self.is_shown, seconds=SETTLE_SECONDS)
        self.took.append(monotonic() - back_at)
        print(f"{part} {moment}: on the sheet {self.took[-1]:.1f} s after it was started again")

    def _begin(self, pool: ThreadPoolExecutor, count: int) -> list[Future[str]]:
        return [pool.submit(self.file) for _ in range(count)]

    def keeps_the_promise(self) -> None:
        """Every answered report is there once and on the sheet; nothing that an event asked for is left undone."""
        told = f"seed {self.scene.seed}"
        there = [str(row["id"]) for row in self.scene.rows(REPORTS, id=self.incident_id)]
        assert sorted(there) == sorted(self.answered), f"filed {len(there)}, answered {len(self.answered)} ({told})"
        shown = reports_on(self.newest() or {})
        assert sorted(shown) == sorted(self.answered), f"shown {len(shown)}, answered {len(self.answered)} ({told})"
        wait_until(lambda: not self.scene.rows(OWED, id=self.incident_id), seconds=SETTLE_SECONDS)
        assert max(self.took, default=0) <= BACK_SECONDS, f"{self.took} ({told})"


class Desk:
    """Who drafts and who publishes: the second is a person, signed in."""

    def __init__(self, filing: Filing) -> None:
        self._ministry, self._filing = filing.scene.ministry, filing
        self._session, self.url = requests.Session(), filing.scene.stage.url
        account = self._ministry.accounts["minister"]
        credentials = {"username": account.username, "password": account.password}
        assert self._session.post(f"{self.url}/api/v1/session", json=credentials, timeout=30).status_code == HTTPStatus.CREATED

    def close(self) -> None:
        self._session.close()

    def draft(self) -> str:
        """A statement of clauses alone: nobody need answer for words. Its id."""
        path = f"{self._filing.path}/statements"
        made = until_answered(lambda key: self._ministry.call("POST", path, {"clauses": CLAUSES}, **key), 201)
        return str(made["id"])

    def publish(self, statement: str, key: Mapping[str, str]) -> requests.Response:
        """One try."""
        url = f"{self.url}/api/v1/public-statements/{statement}/publish"
        return self._session.post(url, headers={"Origin": self.url, **key}, timeout=30)

    def published(self) -> dict[str, str]:
        """Id and text of what our own list calls published, however many were."""
        items = self._ministry.done("GET", f"{self._filing.path}/statements?limit=200")["items"]
        assert {each["state"] for each in items} <= {"draft", "published"}
        whole = [each for each in items if each["published_at"] and each["published_by"] and each["content_hash"]]
        assert [each["id"] for each in whole] == [each["id"] for each in items if each["state"] == "published"]
        self._public_url = items[0]["public_url"]
        return {each["id"]: each["texts"]["id"] for each in whole}

    def agrees(self) -> None:
        """The public page with its history, the feed and our own list say the same."""
        published = self.published()
        page = self._session.get(self._public_url, headers={"Accept-Language": "id"}, timeout=30)
        feed = self._session.get(f"{self._public_url}/feed.atom", timeout=30)
        if not published:
            assert (page.status_code, feed.status_code) == (404, 404)
            return
        assert sorted(re.findall(r"<id>urn:uuid:([0-9a-f-]+)</id>", feed.text)) == sorted(published)
        assert feed.text.count("</entry>") == len(published)
        for text in published.values():
            assert html.escape(text, quote=False) in feed.text
        newest = published[max(published)]
        words = " ".join(re.sub("<[^>]*>", " ", page.text).split())
        assert html.escape(newest, quote=False) in words, words[:3000]


def finish(waiting: list[Future[str]]) -> list[Future[str]]:
    """Until each has its answer."""
    for each in waiting:
        each.result(timeout=SETTLE_SECONDS)
    return waiting


def until_answered(send: Callable[[Mapping[str, str]], requests.Response], status: int) -> Any:
    """As a client that means it: one key, sent again while nobody answers. The document."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    deadline = monotonic() + SETTLE_SECONDS
    while monotonic() < deadline:
        try:
            answer = send(key)
        except requests.RequestException:
            answer = None
        if answer is not None and answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and "retry-after" not in answer.headers:
            assert answer.status_code == status, answer.text
            return answer.json()
        Event().wait(PAUSE_SECONDS)
    raise AssertionError("nobody answered")


def reports_on(sheet: Mapping[str, Any]) -> list[str]:
    """The reports whose figures stand on a sheet, each as often as it does."""
    ours = [question for question in sheet.get("questions", ()) if question["key"] == "ours"]
    return [value["report_id"] for question in ours for value in question["values"] if value["category"] == "injured"]


# -- what goes --------------------------------------------------------------------------------------------------------


def process(name: str) -> Callable[[Scene], Any]:
    """Killed with its children at the beginning of the block, started anew at its end."""

    @contextmanager
    def broken(scene: Scene) -> Iterator[None]:
        scene.stage.services.stop_process(name, signal.SIGKILL)
        yield
        scene.stage.start(name)

    return broken


@contextmanager
def valkey_killed(scene: Scene) -> Iterator[None]:
    scene.stage.services.stop_valkey(signal.SIGKILL)
    yield
    scene.stage.services.start_valkey()


@contextmanager
def valkey_frozen(scene: Scene) -> Iterator[None]:
    with frozen(scene.stage.services.valkey_pid):
        Event().wait(min(scene.size.freeze_seconds, LONGEST_FREEZE))  # the fault itself
        yield


@contextmanager
def valkey_flushed(scene: Scene) -> Iterator[None]:
    with scene.valkey() as client:
        client.flushall()
    yield


BREAKS: Mapping[str, Callable[[Scene], Any]] = MappingProxyType(
    {
        "serve": process("serve"),
        "quick": process("quick"),
        "relay": process("relay"),
        "valkey_killed": valkey_killed,
        "valkey_frozen": valkey_frozen,
        "valkey_flushed": valkey_flushed,
    }
)
MOMENTS = ("before", "during", "after")
NEWEST = "SELECT content FROM snapshot WHERE incident_id = :id ORDER BY version DESC LIMIT 1"
REPORTS = "SELECT id FROM report WHERE incident_id = :id"
OWED = """
SELECT name, waiting_for FROM outbox_event
WHERE payload ->> 'incident_id' = :id AND (rung_at IS NULL OR waiting_for <> '{}')
UNION ALL
SELECT 'sheet put off', '{}' FROM live_state WHERE incident_id = CAST(:id AS uuid) AND is_dirty
UNION ALL
SELECT 'nobody was told', '{}' WHERE NOT EXISTS (SELECT 1 FROM digest_state WHERE incident_id = CAST(:id AS uuid) AND version IS NOT NULL)
"""
"""What an event, a sheet that was put off, or the minister still waits for."""
