"""Plays a crisis file through the API over HTTP, step by step, and says what became of each.

Nothing here judges: a report that is held or conflicting is stored and told, a step that fails is told and the
next one goes on. Keys of idempotency are made of the file's content, the incident and the step, so a replay that
was cut off may be started again: what was done is answered from memory, the rest is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import requests

from alerts.story.crisis import (
    BroadcastStep,
    Crisis,
    EventStep,
    PersonStep,
    ReportStep,
    StatementStep,
    StatementWithdrawalStep,
    Step,
    with_time,
)

TIMEOUT_SECONDS = 30.0
ANY = "*"
"""The key of a token to be used where a source has none of its own."""


class Answer(Protocol):
    """What an HTTP client gives back."""

    status_code: int

    def json(self) -> Any: ...


class Http(Protocol):
    """An HTTP client: a session of `requests`, or a test's client."""

    def request(self, method: str, url: str, *, json: Any, headers: Mapping[str, str], timeout: float) -> Answer: ...


class ReplayError(Exception):
    """The replay cannot begin; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step: told, accepted, held, conflicting, done, sent, skipped or failed.

    `problems` are what the API asked, in Indonesian; `detail` says why a step was skipped or failed.
    """

    number: int
    of: int
    step: Step
    state: str
    seconds: float
    problems: tuple[str, ...] = ()
    detail: str = ""


@dataclass(slots=True)
class Result:
    """A finished replay. `reports` are the ids of the reports by step."""

    incident_id: str
    outcomes: list[Outcome] = field(default_factory=list)
    reports: dict[str, str] = field(default_factory=dict)

    def count(self, state: str) -> int:
        return sum(outcome.state == state for outcome in self.outcomes)

    @property
    def seconds_of_reports(self) -> list[float]:
        return [outcome.seconds for outcome in self.outcomes if isinstance(outcome.step, ReportStep)]


OnStep = Callable[[Outcome], None]
SendBroadcast = Callable[[BroadcastStep, str], str]
"""Sends a broadcast of the file in an incident and says in a few words what happened."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where the product is, and on whose behalf it is called.

    `tokens` are bearer tokens by source: `ministry` (also for host state and media), `mission:<code>`, and `*`
    for every source without one.
    """

    base_url: str
    tokens: Mapping[str, str]
    http: Http = field(default_factory=requests.Session)

    def post(self, by: str, path: str, body: Mapping[str, Any], *, key: str) -> Answer:
        """An acting request. Raises ReplayError when nobody may speak for `by`."""
        token = self.tokens.get(by) or self.tokens.get(ANY)
        if token is None:
            raise ReplayError(f"no token for {by}")
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        return self.http.request("POST", f"{self.base_url}/api/v1{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS)


def open_incident(crisis: Crisis, api: Api, *, edition: str = "") -> str:
    """Open the file's incident and give its id. The same file and `edition` give the same incident."""
    key = f"replay-{crisis.name}-{crisis.digest}-{edition or 'first'}"
    answer = api.post("ministry", "/incidents", crisis.incident_body, key=key)
    if answer.status_code != 201:
        raise ReplayError(f"the incident was not opened: {_why(answer)}")
    return str(answer.json()["id"])


def replay(
    crisis: Crisis,
    api: Api,
    *,
    incident_id: str | None = None,
    on_step: OnStep = lambda _: None,
    send: SendBroadcast | None = None,
    steps: Sequence[Step] | None = None,
) -> Result:
    """Play the steps (in the file's order unless given) into the incident, which is opened if none is named."""
    result = Result(incident_id or open_incident(crisis, api))
    player = _Player(crisis, api, result, send)
    chosen = crisis.steps if steps is None else steps
    for number, step in enumerate(chosen, start=1):
        begun = perf_counter()
        try:
            state, problems, detail = player.play(step)
        except (ReplayError, requests.RequestException) as error:
            state, problems, detail = "failed", (), str(error)
        outcome = Outcome(number, len(chosen), step, state, perf_counter() - begun, problems, detail)
        result.outcomes.append(outcome)
        on_step(outcome)
    return result


def line_for(outcome: Outcome) -> str:
    """One line for a terminal: when, what, and what became of it."""
    step = outcome.step
    mark = {"held": "?", "conflicting": "≠", "failed": "✗", "skipped": "–"}.get(outcome.state, "✓")
    basis = "" if step.time_basis == "stated" else f" ({step.time_basis})"
    line = f"[{outcome.number:>2}/{outcome.of}] {mark} {step.at:%Y-%m-%d %H:%M %z}{basis}  {step.title.en}: {outcome.state}"
    told = f"{line} in {outcome.seconds * 1000:.0f} ms"
    extra = [*outcome.problems, *([outcome.detail] if outcome.detail else [])]
    return "\n".join([told, *(f"         {text}" for text in extra)])


Played = tuple[str, tuple[str, ...], str]


@dataclass(slots=True)
class _Player:
    """Remembers what earlier steps became, so that later ones can speak of them."""

    crisis: Crisis
    api: Api
    result: Result
    send: SendBroadcast | None
    lines: dict[str, list[str]] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    statements: dict[str, tuple[str, str]] = field(default_factory=dict)

    def play(self, step: Step) -> Played:
        if isinstance(step, EventStep):
            return "told", (), ""
        if isinstance(step, ReportStep):
            return self._report(step)
        if isinstance(step, PersonStep):
            return self._person(step)
        if isinstance(step, StatementStep):
            return self._statement(step)
        if isinstance(step, StatementWithdrawalStep):
            return self._withdrawal(step)
        return self._broadcast(step)

    def _report(self, step: ReportStep) -> Played:
        body = with_time(step.report, step.at)
        if body.get("supersedes"):
            body["supersedes"] = self._known(self.result.reports, body["supersedes"])
        body["lines"] = [self._line(line) for line in body.get("lines", [])]
        answer = self._post(step, step.by, f"/incidents/{self.result.incident_id}/reports", body)
        self.result.reports[step.ref] = answer["id"]
        self.lines[step.ref] = [line["id"] for line in answer["lines"]]
        return answer["state"], tuple(problem["message"]["id"] for problem in answer["problems"]), ""

    def _line(self, line: Mapping[str, Any]) -> dict[str, Any]:
        if not line.get("withdraws"):
            return dict(line)
        ref, _, position = str(line["withdraws"]).partition("#")
        ids = self._known(self.lines, ref)
        at = int(position) if position.isdecimal() else 0
        if at >= len(ids):
            raise ReplayError(f"{ref} has no line {at}")
        return {**line, "withdraws": ids[at]}

    def _person(self, step: PersonStep) -> Played:
        said = [with_time(statement, step.at) for statement in step.person.get("statements", [])]
        body = {**step.person, "incident_id": self.result.incident_id, "statements": said}
        answer = self._post(step, step.by, "/persons", body)
        self.persons[step.ref] = answer["id"]
        return "done", (), ""

    def _statement(self, step: StatementStep) -> Played:
        person = self._known(self.persons, step.person)
        answer = self._post(step, step.by, f"/persons/{person}/statements", with_time(step.statement, step.at))
        self.statements[step.ref] = (person, answer["statements"][0]["id"])
        return "done", (), ""

    def _withdrawal(self, step: StatementWithdrawalStep) -> Played:
        person, statement = self._known(self.statements, step.statement)
        path = f"/persons/{person}/statements/{statement}/withdraw"
        self._post(step, step.by, path, with_time(step.withdrawal, step.at))
        return "done", (), ""

    def _broadcast(self, step: BroadcastStep) -> Played:
        if self.send is None:
            return "skipped", (), "this replay sends no messages"
        return "sent", (), self.send(step, self.result.incident_id)

    def _post(self, step: Step, by: str, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.api.post(by, path, body, key=self._key(step))
        if answer.status_code != 201:
            raise ReplayError(_why(answer))
        return answer.json()

    def _key(self, step: Step) -> str:
        name = f"{self.crisis.name}|{self.crisis.digest}|{self.result.incident_id}|{step.ref}"
        return f"replay-{hashlib.sha256(name.encode()).hexdigest()[:40]}"

    @staticmethod
    def _known(table: Mapping[str, Any], ref: object) -> Any:
        found = table.get(str(ref))
        if found is None:
            raise ReplayError(f"{ref} was not filed")
        return found


def _why(answer: Answer) -> str:
    """A refusal in one line."""
    try:
        document = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    detail = document.get("detail") if isinstance(document, dict) else None
    field_name = document.get("field") if isinstance(document, dict) else None
    return f"status {answer.status_code}: {detail}{f' ({field_name})' if field_name else ''}"
