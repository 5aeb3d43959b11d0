"""Plays a crisis file through the API over HTTP, step by step, and says what became of each.

Nothing here judges: a report that is held or conflicting is stored and told, a step that fails is told and the
next one goes on. Keys of idempotency are made of the file's content, the incident and the step, so a replay that
was cut off may be started again: what was done is answered from memory, the rest is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import requests

from alerts.story.api import Api, ReplayError, why
from alerts.story.crisis import Crisis
from alerts.story.playing import NO_HANDS, Hands, Player
from alerts.story.steps import ReportStep, Step


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step: told, accepted, held, conflicting, done, sent, read, published, skipped or failed.

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


def open_incident(crisis: Crisis, api: Api, *, edition: str = "") -> str:
    """Open the file's incident and give its id. The same file and `edition` give the same incident."""
    key = f"replay-{crisis.name}-{crisis.digest}-{edition or 'first'}"
    answer = api.post(crisis.opened_by, "/incidents", crisis.incident_body, key=key)
    if answer.status_code != 201:
        raise ReplayError(f"the incident was not opened: {why(answer)}")
    return str(answer.json()["id"])


def replay(
    crisis: Crisis,
    api: Api,
    *,
    incident_id: str | None = None,
    on_step: OnStep = lambda _: None,
    hands: Hands = NO_HANDS,
    steps: Sequence[Step] | None = None,
) -> Result:
    """Play the steps (in the file's order unless given) into the incident, which is opened if none is named."""
    player = Player(crisis, api, incident_id or open_incident(crisis, api), hands)
    result = Result(player.incident_id, reports=player.reports)
    chosen = crisis.steps if steps is None else steps
    for number, step in enumerate(chosen, start=1):
        hands.wait_for(step)
        begun = perf_counter()
        try:
            state, problems, detail = player.play(step)
        except (ReplayError, requests.RequestException) as error:
            state, problems, detail = "failed", (), str(error)
        outcome = Outcome(number, len(chosen), step, state, perf_counter() - begun, problems, detail)
        result.outcomes.append(outcome)
        on_step(outcome)
    return result


def line_for(outcome: Outcome, when: str = "") -> str:
    """One line for a terminal: when (the step's time, unless something else is given), what, and what became of it."""
    step = outcome.step
    mark = {"held": "?", "conflicting": "≠", "failed": "✗", "skipped": "–"}.get(outcome.state, "✓")
    basis = "" if step.time_basis == "stated" else f" ({step.time_basis})"
    moment = when or f"{step.at:%Y-%m-%d %H:%M %z}{basis}"
    line = f"[{outcome.number:>2}/{outcome.of}] {mark} {moment}  {step.title.en}: {outcome.state}"
    told = f"{line} in {outcome.seconds * 1000:.0f} ms"
    failed = f"step {step.ref}: " if outcome.state == "failed" else ""
    extra = [*dict.fromkeys(outcome.problems), *([failed + outcome.detail] if outcome.detail else [])]
    return "\n".join([told, *(f"         {text}" for text in extra)])
