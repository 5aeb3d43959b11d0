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
from typing import Any
from urllib.parse import quote

import requests

from alerts.story.api import Api, ReplayError, why
from alerts.story.crisis import Crisis, with_time
from alerts.story.steps import (
    BroadcastStep,
    ChangeStep,
    ClosingStep,
    ConfirmStep,
    CoverStep,
    DeathStep,
    EnquiryStep,
    EventStep,
    LookStep,
    PersonStep,
    PublicStatementStep,
    ReportStep,
    ResolveStep,
    SnoozeStep,
    StatementStep,
    StatementWithdrawalStep,
    Step,
    TakeOverStep,
    TextStep,
)


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


@dataclass(frozen=True, slots=True)
class Hands:
    """What a replay can do besides calling the API with tokens; a step for which it has no hand is skipped, and says so.

    Each is told the incident, and says in a few words what happened. `send` a broadcast of the file, `text` from a duty phone,
    `publish` a draft by its id. `wait_for` a step's time, where the story is told as it happens.
    """

    send: Callable[[BroadcastStep, str], str] | None = None
    text: Callable[[TextStep, str], str] | None = None
    publish: Callable[[str], str] | None = None
    wait_for: Callable[[Step], None] = lambda _: None


NO_HANDS = Hands()


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
    result = Result(incident_id or open_incident(crisis, api))
    player = _Player(crisis, api, result, hands)
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
    extra = [*outcome.problems, *([outcome.detail] if outcome.detail else [])]
    return "\n".join([told, *(f"         {text}" for text in extra)])


def read_aloud(sheet: Mapping[str, Any]) -> list[str]:
    """An answer sheet in a few lines: the sentence, the five answers with what is not known, the missions."""
    lines = [f"“{sheet['sentence']['en']}”"]
    for number, question in enumerate(sheet["questions"], start=1):
        unknown = ", ".join(words["en"] for words in question["unknown"])
        lines.append(f"{number}. {question['text']['en']}{f' · not known: {unknown}' if unknown else ''}")
    for mission in sheet["missions"]:
        bad = "".join(f", {fact['label']['en'].lower()} {fact['text']['en']}" for fact in mission["state_of_mission"] if fact["is_bad"])
        chaser = mission["chaser"] or {"state": "not asked"}
        by = f" by {chaser['covered_by_name']}" if chaser.get("covered_by") else ""
        lines.append(f"{mission['name']}: {mission['reports']} reports{bad}, {chaser['state']}{by}")
    return lines


Played = tuple[str, tuple[str, ...], str]


@dataclass(slots=True)
class _Player:
    """Remembers what earlier steps became, so that later ones can speak of them."""

    crisis: Crisis
    api: Api
    result: Result
    hands: Hands
    lines: dict[str, list[str]] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    statements: dict[str, tuple[str, str]] = field(default_factory=dict)

    def play(self, step: Step) -> Played:
        plays: dict[type, Callable[[Any], Played]] = {
            EventStep: lambda _: ("told", (), ""),
            ReportStep: self._report,
            PersonStep: self._person,
            StatementStep: self._statement,
            StatementWithdrawalStep: self._withdrawal,
            BroadcastStep: self._broadcast,
            ConfirmStep: self._confirm,
            ResolveStep: self._resolve,
            DeathStep: self._death,
            ChangeStep: self._change,
            ClosingStep: self._closing,
            TakeOverStep: self._take_over,
            CoverStep: self._cover,
            SnoozeStep: self._snooze,
            TextStep: self._text,
            EnquiryStep: self._enquiry,
            PublicStatementStep: self._public_statement,
            LookStep: self._look,
        }
        return plays[type(step)](step)

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
        return {**line, "withdraws": self._line_id(str(line["withdraws"]))}

    def _line_id(self, name: str) -> str:
        """Of `ref#0`; without a place the first line."""
        ref, _, position = name.partition("#")
        ids = self._known(self.lines, ref)
        at = int(position) if position.isdecimal() else 0
        if at >= len(ids):
            raise ReplayError(f"{ref} has no line {at}")
        return str(ids[at])

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
        if self.hands.send is None:
            return "skipped", (), "this replay sends no messages"
        return "sent", (), self.hands.send(step, self.result.incident_id)

    def _text(self, step: TextStep) -> Played:
        if self.hands.text is None:
            return "skipped", (), "this replay has no duty phone"
        return "sent", (), self.hands.text(step, self.result.incident_id)

    def _confirm(self, step: ConfirmStep) -> Played:
        ids = [self._line_id(f"{step.report}#{place}") for place in step.lines]
        report = self._known(self.result.reports, step.report)
        self._post(step, step.by, f"{self._incident}/reports/{report}/confirm", {"line_ids": ids, "reason": step.reason})
        return "done", (), ""

    def _resolve(self, step: ResolveStep) -> Played:
        """The conflict is found as the sheet shows it at the step's time."""
        line_id = self._line_id(step.keep)
        conflicts = self._sheet(step)["conflicts"]
        found = next((each["id"] for each in conflicts if line_id in {figure["line_id"] for figure in each["figures"]}), None)
        if found is None:
            return "skipped", (), f"{step.keep} contradicts nothing, or no longer"
        self._post(step, "ministry", f"{self._incident}/conflicts/{found}/resolve", {"keep_line_id": line_id, "reason": step.reason})
        return "done", (), ""

    def _death(self, step: DeathStep) -> Played:
        person = self._known(self.persons, step.person)
        self._post(step, step.by, f"/persons/{person}/death/{step.step}", with_time(step.body, step.at))
        return "done", (), ""

    def _change(self, step: ChangeStep) -> Played:
        body = dict(step.change)
        if levels := body.get("levels"):
            body.pop("levels")
            if body:  # an area has a level only once it is one of the incident's
                self._patch(step, body)
            areas = {name: area["id"] for area in self.api.get(self._incident)["areas"] for name in (area["code"], area["name"]) if name}
            body = {"levels": [_level(each, areas) for each in levels]}
        self._patch(step, body)
        return "done", (), ""

    def _patch(self, step: ChangeStep, body: Mapping[str, Any]) -> None:
        answer = self.api.patch(step.by, self._incident, body)
        if answer.status_code != 200:
            raise ReplayError(why(answer))

    def _closing(self, step: ClosingStep) -> Played:
        self._post(step, "ministry", f"{self._incident}/{step.kind}", {"reason": step.reason})
        return "done", (), ""

    def _snooze(self, step: SnoozeStep) -> Played:
        self._post(step, "ministry", f"{self._incident}/missions/{step.mission}/snooze", step.snooze)
        return "done", (), ""

    def _take_over(self, step: TakeOverStep) -> Played:
        body = {"reason": step.reason} if step.reason else {}
        self._post(step, "ministry", f"{self._incident}/take-over", body)
        return "done", (), ""

    def _cover(self, step: CoverStep) -> Played:
        row = self._post(step, "ministry", f"{self._incident}/missions/{step.mission}/cover", step.cover)
        return "done", (), f"{row['mission_name']} is asked for nothing now, {row['chaser']['covered_by_name']} is"

    def _enquiry(self, step: EnquiryStep) -> Played:
        logged = self._post(step, step.by, f"{self._incident}/enquiries", step.enquiry)
        owner = logged["enquiry"]["owner_mission"] or "the ministry"
        return "done", (), f"reference {logged['reference']}, looked after by {owner}"

    def _public_statement(self, step: PublicStatementStep) -> Played:
        if self.hands.publish is None:
            return "skipped", (), "nobody signs in to publish it"
        chosen = {} if "clauses" in step.public_statement else {"clauses": self.api.get(f"{self._incident}/brief")["chosen"]}
        draft = self._post(step, "ministry", f"{self._incident}/statements", chosen | step.public_statement)
        words = " ".join(clause["text"]["en"] for clause in draft["clauses"])
        return "published", (), f"“{words}”\n         {self.hands.publish(draft['id'])}"

    def _look(self, step: LookStep) -> Played:
        """Of a past crisis as of the step's time; of one that happens now, now."""
        return "read", (), "\n         ".join(read_aloud(self._sheet(step)))

    def _sheet(self, step: Step) -> Any:
        as_of = f"?as_of={quote(step.at.isoformat())}" if self.crisis.incident.get("is_replayed") else ""
        return self.api.get(f"{self._incident}/summary{as_of}")

    @property
    def _incident(self) -> str:
        return f"/incidents/{self.result.incident_id}"

    def _post(self, step: Step, by: str, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.api.post(by, path, body, key=self._key(step))
        if answer.status_code not in (200, 201):
            raise ReplayError(why(answer))
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


def _level(level: Mapping[str, Any], areas: Mapping[str, str]) -> dict[str, Any]:
    """A level as the API takes it: by its area's id. `area` is a code or a name."""
    area = str(level.get("area"))
    if area not in areas:
        raise ReplayError(f"the incident has no area {area}")
    return {key: value for key, value in level.items() if key != "area"} | {"area_id": areas[area]}
