"""Duty phones: texts that staff write to the ministry's number, by way of the carrier that a telling runs on.

A report by text carries a one-time code of the mission's sealed list; an answer to a call of the crew is one word. Each is waited
for until it was understood, since what follows speaks of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from alerts.story.api import TIMEOUT_SECONDS, Api, ReplayError
from alerts.story.signing import Login, signed_in
from alerts.story.steps import TextStep

REPORT = "LAPSIT"
CODES = 10
UNDERSTOOD_SECONDS = 60.0
POLL_SECONDS = 0.2


@dataclass(slots=True)
class DutyPhones:
    """`numbers` by source (`ministry`, `mission:<code>`), and whose name each is; `keeper` makes lists of codes.

    `texts_url` is where the carrier is told of a text, `number` ours.
    """

    api: Api
    keeper: Login
    texts_url: str
    number: str
    numbers: Mapping[str, str] = field(repr=False)
    names: Mapping[str, str]
    _codes: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def write(self, step: TextStep, incident_id: str) -> str:
        """Send it, and wait until it was understood; in a few words what became of it. Raises ReplayError when nothing did."""
        if step.by not in self.numbers:
            raise ReplayError(f"{step.by} has no duty phone")
        if step.text.startswith(REPORT):
            return self._report(step, incident_id)
        return self._answer(step, incident_id)

    def _report(self, step: TextStep, incident_id: str) -> str:
        incident = self.api.get(f"/incidents/{incident_id}")
        mission = step.by.removeprefix("mission:")
        words = step.text.replace("{incident}", incident["sms_code"]).replace("{clock}", f"{step.at:%H%M}")
        before = len(self._reports(step, incident_id))
        self._send(step, words.replace("{code}", self._code(mission) if "{code}" in words else ""))
        filed = _waited(lambda: self._reports(step, incident_id)[: -before or None], f"the text of {step.by} was not filed")
        problems = "".join(f"; asked: {problem['message']['en']}" for problem in filed[0].get("problems", []))
        return f"“{words.replace('{code}', '******')}” filed as report {filed[0]['version']}: {filed[0]['state']}{problems}"

    def _answer(self, step: TextStep, incident_id: str) -> str:
        """A call has to have gone out before it can be answered."""
        _waited(lambda: self._calls(step, incident_id), f"{step.by} was not called")
        self._send(step, step.text)
        [call, *_] = _waited(lambda: [c for c in self._calls(step, incident_id) if c["answered_at"]], f"{step.by} was not understood")
        return f"“{step.text}” understood: {call['state']}"

    def _reports(self, step: TextStep, incident_id: str) -> list[Any]:
        """Newest first."""
        items: list[Any] = self.api.get(f"/incidents/{incident_id}/reports?limit=200")["items"]
        return [each for each in items if each["source"] == step.by]

    def _calls(self, step: TextStep, incident_id: str) -> list[Any]:
        slots = self.api.get(f"/incidents/{incident_id}/crew")["items"]
        return [call for slot in slots for call in slot["calls"] if call["display_name"] == self.names[step.by]]

    def _code(self, mission: str) -> str:
        if not self._codes.get(mission):
            with signed_in(self.api.base_url, self.keeper) as person:
                issued = person.post(f"/missions/{mission}/report-codes", {"size": CODES})
            self._codes[mission] = [each["code"] for each in issued["codes"]]
        return self._codes[mission].pop(0)

    def _send(self, step: TextStep, words: str) -> None:
        text = {"from": self.numbers[step.by], "to": self.number, "body": words, "url": f"{self.api.base_url}/hooks/twilio/inbound"}
        answer = requests.post(self.texts_url, json=text, timeout=TIMEOUT_SECONDS)
        if not answer.ok:
            raise ReplayError(f"the carrier did not take the text: {answer.status_code}")


def _waited(found: Callable[[], list[Any]], why: str) -> list[Any]:
    deadline = time.monotonic() + UNDERSTOOD_SECONDS
    while not (rows := found()):
        if time.monotonic() > deadline:
            raise ReplayError(f"{why} within {UNDERSTOOD_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return rows
