"""What each step of a crisis file does: the requests to the API that it stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from alerts.story.api import Api, ReplayError, why
from alerts.story.crisis import Crisis, with_time
from alerts.story.reading import read_aloud
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
    MergeStep,
    OpenStep,
    PersonStep,
    PublicStatementStep,
    ReportStep,
    ResolveStep,
    ResumeStep,
    SnoozeStep,
    StatementStep,
    StatementWithdrawalStep,
    Step,
    TakeOverStep,
    TextStep,
)


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
Played = tuple[str, tuple[str, ...], str]


@dataclass(slots=True)
class Player:
    """Remembers what earlier steps became, so that later ones can speak of them."""

    crisis: Crisis
    api: Api
    incident_id: str
    hands: Hands
    reports: dict[str, str] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
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
            TakeOverStep: self._take_over,
            CoverStep: self._cover,
            SnoozeStep: self._snooze,
            ResumeStep: self._resume,
            ChangeStep: self._change,
            OpenStep: self._open,
            MergeStep: self._merge,
            ClosingStep: self._close,
            TextStep: self._text,
            EnquiryStep: self._enquiry,
            PublicStatementStep: self._public_statement,
            LookStep: self._look,
        }
        return plays[type(step)](step)

    def _report(self, step: ReportStep) -> Played:
        body = with_time(step.report, step.at)
        if body.get("supersedes"):
            body["supersedes"] = self._known(self.reports, body["supersedes"])
        body["lines"] = [self._line(line) for line in body.get("lines", [])]
        incident = self._known(self.opened, step.incident) if step.incident else self.incident_id
        answer = self._post(step, step.by, f"/incidents/{incident}/reports", body)
        self.reports[step.ref] = answer["id"]
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
        body = {**step.person, "incident_id": self.incident_id, "statements": said}
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
        return "sent", (), self.hands.send(step, self.incident_id)

    def _text(self, step: TextStep) -> Played:
        if self.hands.text is None:
            return "skipped", (), "this replay has no duty phone"
        return "sent", (), self.hands.text(step, self.incident_id)

    def _confirm(self, step: ConfirmStep) -> Played:
        ids = [self._line_id(f"{step.report}#{place}") for place in step.lines]
        report = self._known(self.reports, step.report)
        self._post(step, step.by, f"{self._incident}/reports/{report}/confirm", {"line_ids": ids, "reason": step.reason})
        return "done", (), ""

    def _resolve(self, step: ResolveStep) -> Played:
        """The conflict is found as the sheet shows it at the step's time; later reports may have overtaken it by now."""
        line_id = self._line_id(step.keep)
        conflicts = self._sheet(step)["conflicts"]
        found = next((each["id"] for each in conflicts if line_id in {figure["line_id"] for figure in each["figures"]}), None)
        if found is None:
            return "skipped", (), f"{step.keep} contradicts nothing, or no longer"
        body = {"keep_line_id": line_id, "reason": step.reason}
        answer = self.api.post("ministry", f"{self._incident}/conflicts/{found}/resolve", body, key=self._key(step))
        if answer.status_code == 404:
            return "skipped", (), f"later reports overtook what {step.keep} contradicted"
        if answer.status_code != 201:
            raise ReplayError(why(answer))
        return "done", (), ""

    def _death(self, step: DeathStep) -> Played:
        person = self._known(self.persons, step.person)
        self._post(step, step.by, f"/persons/{person}/death/{step.step}", with_time(step.body, step.at))
        return "done", (), ""

    def _take_over(self, step: TakeOverStep) -> Played:
        body = {"reason": step.reason} if step.reason else {}
        self._post(step, "ministry", f"{self._incident}/take-over", body)
        return "done", (), ""

    def _cover(self, step: CoverStep) -> Played:
        row = self._post(step, "ministry", f"{self._incident}/missions/{step.mission}/cover", step.cover)
        by = row["chaser"]["covered_by_name"]
        if by is None:  # a past crisis
            return "done", (), f"{step.cover['mission_code']} reports for {row['mission_name']}; nobody is asked about a past crisis"
        return "done", (), f"{row['mission_name']} is asked for nothing now, {by} is"

    def _snooze(self, step: SnoozeStep) -> Played:
        self._post(step, "ministry", f"{self._incident}/missions/{step.mission}/snooze", step.snooze)
        return "done", (), ""

    def _resume(self, step: ResumeStep) -> Played:
        self._post(step, "ministry", f"{self._incident}/missions/{step.mission}/resume", {})
        return "done", (), ""

    def _change(self, step: ChangeStep) -> Played:
        """Of the version that is there now. Told again, what is so already is left alone, also where the incident is closed by then."""
        incident = self.api.get(self._incident, by=step.by)
        body = dict(step.change)
        if "levels" in body:
            levels = body.pop("levels")
            if body and not _is_so(incident, body):  # an area has a level only once it is one of the incident's
                incident = self.api.patch(step.by, self._incident, body)
            areas = {name: area["id"] for area in incident["areas"] for name in (area["code"], area["name"]) if name}
            body = {"levels": [_with_area(level, areas) for level in levels]}
        if not _is_so(incident, body):
            self.api.patch(step.by, self._incident, body)
        return "done", (), ""

    def _open(self, step: OpenStep) -> Played:
        self.opened[step.ref] = self._post(step, step.by, "/incidents", step.incident)["id"]
        return "done", (), ""

    def _merge(self, step: MergeStep) -> Played:
        source = self._known(self.opened, step.incident)
        self._post(step, "ministry", f"/incidents/{source}/merge", {"into": self.incident_id, "reason": step.reason})
        return "done", (), ""

    def _close(self, step: ClosingStep) -> Played:
        self._post(step, "ministry", f"{self._incident}/{step.kind}", {"reason": step.reason})
        return "done", (), ""

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
        return f"/incidents/{self.incident_id}"

    def _post(self, step: Step, by: str, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.api.post(by, path, body, key=self._key(step))
        if answer.status_code not in (200, 201):
            raise ReplayError(why(answer))
        return answer.json()

    def _key(self, step: Step) -> str:
        name = f"{self.crisis.name}|{self.crisis.digest}|{self.incident_id}|{step.ref}"
        return f"replay-{hashlib.sha256(name.encode()).hexdigest()[:40]}"

    @staticmethod
    def _known(table: Mapping[str, Any], ref: object) -> Any:
        found = table.get(str(ref))
        if found is None:
            raise ReplayError(f"{ref} was not filed")
        return found


def _with_area(level: Mapping[str, Any], areas: Mapping[str, str]) -> dict[str, Any]:
    """A level by the code or name of its area, as the API wants it: by the area's id."""
    if "area" not in level:
        return dict(level)
    if level["area"] not in areas:
        raise ReplayError(f"levels: the incident has no area {level['area']}")
    return {"area_id": areas[level["area"]], **{name: value for name, value in level.items() if name != "area"}}


def _is_so(incident: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether the incident is already as the change wants it."""
    levels = {area["id"]: area["siaga_level"] for area in incident["areas"]}
    codes = sorted(area["code"] or "" for area in incident["areas"])

    def is_there(name: str, value: Any) -> bool:
        if name == "levels":
            return all(levels.get(each["area_id"]) == each["siaga_level"] for each in value)
        return sorted(each.get("code") or "?" for each in value) == codes if name == "areas" else incident.get(name) == value

    return all(is_there(name, value) for name, value in body.items())
