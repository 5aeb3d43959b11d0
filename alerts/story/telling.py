"""Tells a crisis through the product's own API: opens it, alerts people in two pairs of hands, files the reports.

HTTP only, with bearer tokens; where the product wants a person (an approval), somebody signs in. What is measured
is measured from out here: when the first sheet could be read, and how long a report took to reach an open screen.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

import requests

from alerts.story.api import Api, ReplayError
from alerts.story.crisis import Crisis
from alerts.story.playing import Hands
from alerts.story.replay import Outcome, Result, open_incident, replay
from alerts.story.signing import Login, signed_in
from alerts.story.steps import BroadcastStep, Step, TextStep

POLL_SECONDS = 0.25
SCREEN_SECONDS = 30.0
SETTLE_SECONDS = 90.0
# Everybody was handed a message; receipts and answers still come. Nothing new for so long, and the story is over.
QUIET_SECONDS = 6.0


@dataclass(frozen=True)
class Around:
    """What a telling needs besides the API: the carrier's pace, a text from a duty phone where the carrier can, and each step's turn."""

    set_pace: Callable[[float], None]
    text: Callable[[TextStep, str], str] | None = None
    wait_for: Callable[[Step], None] = lambda _: None


@dataclass(frozen=True)
class Progress:
    """How far a message has come: persons, and seconds since it was approved."""

    title: str
    frozen: int
    handed_over: int
    in_progress: int
    delivered: int
    answered: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before anything moved."""
        return self.in_progress * self.seconds / self.handed_over if self.handed_over else None


@dataclass
class Telling:
    """What was seen on the way."""

    incident_id: str = ""
    first_sheet_seconds: float = 0.0
    first_sentence: Mapping[str, str] = field(default_factory=dict)
    result: Result | None = None
    report_to_screen_ms: list[float] = field(default_factory=list)
    broadcast_ids: list[str] = field(default_factory=list)
    public_urls: list[str] = field(default_factory=list)

    @property
    def report_to_screen_p95_ms(self) -> float | None:
        """95 of 100 reports were on an open screen within this many milliseconds."""
        waits = sorted(self.report_to_screen_ms)
        return round(waits[min(len(waits) - 1, int(len(waits) * 0.95))], 1) if waits else None


class Screen:
    """An open live page: reads the stream in a thread and remembers when which state of knowledge arrived."""

    def __init__(self, url: str, token: str, incident_id: str) -> None:
        self._url, self._headers = f"{url}/api/v1/incidents/{incident_id}/live", {"Authorization": f"Bearer {token}"}
        self._seen: list[tuple[float, str, int]] = []
        self._lock, self._stop = Lock(), Event()
        Thread(target=self._read, daemon=True).start()

    def arrival_of(self, known_at: str, *, seconds: float = SCREEN_SECONDS) -> float | None:
        """When a sheet that knows this moment arrived (monotonic), or None after so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                found = next((at for at, known, _ in self._seen if known >= known_at), None)
            if found is not None:
                return found
            time.sleep(0.01)
        return None

    @property
    def versions(self) -> int:
        """How many different versions came."""
        with self._lock:
            return len({version for _, _, version in self._seen})

    def close(self) -> None:
        """Stop reading at the next event."""
        self._stop.set()

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                with requests.get(self._url, headers=self._headers, stream=True, timeout=60) as stream:
                    for line in stream.iter_lines():
                        if self._stop.is_set():
                            return
                        if line.startswith(b"data:"):
                            self._note(line[5:])
            except requests.RequestException:
                time.sleep(0.2)

    def _note(self, data: bytes) -> None:
        sheet = json.loads(data)
        with self._lock:
            self._seen.append((time.monotonic(), utc(sheet["known_at"]), sheet["version"] or 0))


class Teller:
    """Plays one crisis. The carrier is told a pace so that a message takes the time that the file wants."""

    def __init__(
        self,
        crisis: Crisis,
        api: Api,
        *,
        approver: Login,
        around: Around,
        on_progress: Callable[[Progress], None],
        on_step: Callable[[Outcome], None],
    ) -> None:
        self._crisis, self._api, self._approver = crisis, api, approver
        self._around, self._on_progress, self._on_step = around, on_progress, on_step
        self._told = Telling()
        self._screen: Screen | None = None
        self._areas: dict[str, str] = {}
        self._broadcasts = {broadcast.ref: broadcast for broadcast in crisis.broadcasts}

    def tell(self) -> Telling:
        """From the opening to the last answer."""
        begun = time.monotonic()
        self._told.incident_id = open_incident(self._crisis, self._api)
        sheet = self._get(f"/incidents/{self._told.incident_id}/summary")
        self._told.first_sheet_seconds = round(time.monotonic() - begun, 3)
        self._told.first_sentence = sheet["sentence"]
        incident = self._get(f"/incidents/{self._told.incident_id}")
        self._areas = {area["code"]: area["id"] for area in incident["areas"] if area.get("code")}
        token = self._api.tokens["minister"]
        self._screen = Screen(self._api.base_url, token, self._told.incident_id)
        hands = Hands(self._send, self._around.text, self._publish, self._around.wait_for)
        self._told.result = replay(self._crisis, self._api, incident_id=self._told.incident_id, on_step=self._step, hands=hands)
        self._wait_for_quiet()
        self._screen.close()
        return self._told

    def _publish(self, statement_id: str) -> str:
        """A person signs in: no token publishes."""
        with signed_in(self._api.base_url, self._approver) as person:
            published = person.post(f"/public-statements/{statement_id}/publish")
        self._told.public_urls.append(published["public_url"])
        return f"statement {published['number']} at {published['public_url']}"

    def _step(self, outcome: Outcome) -> None:
        """A report was filed: how long until an open screen shows it?"""
        if outcome.step.kind in {"report", "withdraw"} and self._told.result is None and self._screen is not None:
            self._measure(outcome)
        self._on_step(outcome)

    def _measure(self, outcome: Outcome) -> None:
        filed = time.monotonic()
        newest = self._get(f"/incidents/{self._told.incident_id}/reports?limit=1")["items"][0]
        arrived = self._screen.arrival_of(utc(newest["known_at"])) if self._screen else None
        if arrived is not None:
            self._told.report_to_screen_ms.append(max(0.0, arrived - (filed - outcome.seconds)) * 1000)

    def _send(self, step: BroadcastStep, incident_id: str) -> str:
        """Write, submit, have somebody else approve, and watch until everybody was handed it."""
        draft = self._broadcasts[step.broadcast]
        body = {"texts": draft.texts.model_dump(), "area_ids": [self._areas[code] for code in draft.areas]}
        made = self._post(f"/incidents/{incident_id}/broadcasts", body)
        submitted = self._submitted(made["id"])
        reachable = max(1, submitted["audience_count"])
        least_seconds = float(self._crisis.carrier.get("min_send_seconds", 0))
        self._around.set_pace(reachable / least_seconds if least_seconds else 0)
        self._approve(submitted)
        self._told.broadcast_ids.append(made["id"])
        return self._watch(made["id"], step.title.en)

    def _submitted(self, broadcast_id: str) -> dict[str, Any]:
        view: dict[str, Any] = self._post(f"/broadcasts/{broadcast_id}/submit", None)
        while view["state"] == "freezing":
            time.sleep(POLL_SECONDS)
            view = self._get(f"/broadcasts/{broadcast_id}")
        return view

    def _approve(self, broadcast: Mapping[str, Any]) -> None:
        """A second person signs in: an approval is never given by a token."""
        with signed_in(self._api.base_url, self._approver) as person:
            person.post(f"/broadcasts/{broadcast['id']}/approve", {"content_hash": broadcast["content_hash"]})

    def _watch(self, broadcast_id: str, title: str) -> str:
        begun = time.monotonic()
        while True:
            reach = self._get(f"/broadcasts/{broadcast_id}/reach")
            seconds = time.monotonic() - begun
            names = ("frozen", "handed_over", "in_progress", "delivered", "answered")
            self._on_progress(Progress(title, seconds=seconds, **{name: reach[name] for name in names}))
            if reach["frozen"] and not reach["in_progress"]:
                return f"{reach['handed_over']} of {reach['frozen']} handed over in {seconds:.1f} s, {reach['unreachable']} unreachable"
            time.sleep(POLL_SECONDS)

    def _wait_for_quiet(self) -> None:
        """Until receipts and answers have stopped coming."""
        if not self._told.broadcast_ids:
            return
        deadline, last, since = time.monotonic() + SETTLE_SECONDS, None, time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < QUIET_SECONDS:
            now = [self._get(f"/broadcasts/{broadcast_id}/reach") for broadcast_id in self._told.broadcast_ids]
            figures = [(reach["delivered"], reach["answered"], reach["unknown"]) for reach in now]
            if figures != last:
                last, since = figures, time.monotonic()
            time.sleep(POLL_SECONDS * 2)

    def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self._api.tokens['ministry']}"}
        return _checked(requests.get(f"{self._api.base_url}/api/v1{path}", headers=headers, timeout=30))

    def _post(self, path: str, body: Any) -> Any:
        return _checked(self._api.post("ministry", path, body, key=uuid.uuid4().hex))


def utc(moment: str) -> str:
    """A timestamp of the API in a form that sorts: UTC, always with microseconds."""
    from datetime import UTC, datetime

    return datetime.fromisoformat(moment).astimezone(UTC).isoformat(timespec="microseconds")


def _checked(answer: Any) -> Any:
    if not 200 <= answer.status_code < 300:
        raise ReplayError(f"{answer.status_code}: {answer.text[:300]}")
    return answer.json() if answer.content else None
