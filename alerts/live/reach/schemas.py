"""Wire forms of reach: its cuts, its course over time, and the document that says what was done and what is known of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from alerts.broadcasts.preview_schemas import ForecastView
from alerts.broadcasts.rules import Channel, MsgType, ResendUnknown
from alerts.deliveries.call_list.rules import Outcome
from alerts.deliveries.rules import State
from alerts.incidents.rules import Status
from alerts.kit.http import View
from alerts.live.reach.rules import Cut, Next
from alerts.live.schemas import Words
from alerts.notices.rules import AlarmKind


class CountsView(View):
    """People: `frozen` = `handed_over` + `unknown` + `unreachable` + `missed`; `missed` = `in_progress` + `stopped`.

    Everybody is in the first set that fits. The rest are facts about the same people: accepted is not delivered, and
    delivered is not answered; where no receipt is possible that is counted instead of guessed.
    """

    frozen: int = Field(description="people on the frozen lists that were released")
    handed_over: int = Field(description="a carrier took the message at least once, by any way")
    unknown: int = Field(description="the last handing-over was begun, and nobody knows how it ended")
    unreachable: int = Field(description="no usable address, opted out, refused for good, or no provider reaches the country")
    in_progress: int = Field(description="waiting, or being sent")
    stopped: int = Field(description="cancelled or expired before anything was sent, or left out: had answered, died or was merged")
    delivered: int
    answered: int
    no_receipt_possible: int = Field(description="handed over, not delivered as far as we know, and no receipt can come")
    missed: int


class CountryReach(CountsView):
    """People by the country of the number of their first way; null where it has none (push, e-mail)."""

    number_country: str | None


class ChannelReach(CountsView):
    """People by their first way."""

    channel: Channel


class MissionReach(CountsView):
    """People by the mission that answers for their registered place in the incident; null: no mission does."""

    mission_code: str | None
    mission_name: str | None


class WaveReach(CountsView):
    """People by the list that they came with: 1 is the approved one, later ones hold latecomers."""

    wave: int
    released_at: datetime | None


class StepReach(View):
    """Steps, not people: whoever was tried by two ways is here twice. `waiting`: queued; `failed`: of this step only."""

    step: int
    channel: Channel
    number_country: str | None
    begun: int
    handed_over: int
    delivered: int
    answered: int
    unknown: int
    waiting: int
    failed: int
    stopped: int


class ReachGroup(View):
    """Steps of one channel, number country and state. `error_code` is the provider's or ours."""

    channel: Channel
    number_country: str | None
    state: State
    error_code: str | None
    people: int
    answered: int


class AnswersView(View):
    """Those who answered, by where they stand in the incident; they sum to `answered`. "Safe" is their own word, mostly."""

    safe: int
    need_help: int
    other: int


class PaceView(View):
    """Seconds from the release of their wave until half, 95 % and all of those to whom it happened; null: to none.

    Exact to a tenth of a second within 100 s, to a second within an hour, to ten seconds after; rounded up.
    """

    people: int
    seconds_50: float | None
    seconds_95: float | None
    seconds_100: float | None
    first_at: datetime | None
    last_at: datetime | None


class UnknownView(View):
    """Handings-over of unknown outcome, by what is done next: looked up at the provider, sent once more, or left as they are."""

    next: Next
    attempts: int
    oldest_at: datetime
    newest_at: datetime
    due_at: datetime | None = Field(description="when that is done for the oldest of them; null: nothing more is done")


class AlarmView(View):
    """What went wrong with a sender since the release; it may concern other messages too."""

    kind: AlarmKind
    sender: str
    count: int
    text: Words
    first_at: datetime
    last_at: datetime
    is_acknowledged: bool


class CallReach(View):
    """People on the call list by how the last call to them ended. They stand in the counts too: a call is no handing-over."""

    outcome: Outcome
    people: int


class RoamingReach(View):
    """What a home operator had counted at `as_of` of its phones in a country: phones, not persons, and never added to them.

    Null where nothing was counted yet, or the operator does not say.
    """

    country: str
    operator: str
    language: str
    as_of: datetime | None
    known_at: datetime | None
    phones_found: int | None
    phones_delivered: int | None


class ReachView(CountsView):
    """Who was reached, as it stood at `as_of`; counted anew at most every few seconds, however many ask.

    `sent_twice` and `resent` are (person, step) pairs that a carrier took more than once: without and with approval.
    """

    broadcast_id: UUID
    as_of: datetime
    newest_at: datetime | None
    sent_twice: int
    resent: int
    answers: AnswersView
    claimed: int = Field(
        description="people for whom somebody spoke by the open link, and nobody by a way of theirs: not among the answered, still tried"
    )
    hand_over: PaceView
    delivery: PaceView
    forecast: ForecastView | None = Field(description="null for a past moment")
    countries: list[CountryReach]
    channels: list[ChannelReach]
    missions: list[MissionReach]
    missions_as_of: datetime = Field(description="people by mission are counted anew less often than the rest")
    waves: list[WaveReach]
    steps: list[StepReach]
    unknowns: list[UnknownView]
    alarms: list[AlarmView]
    calls: list[CallReach]
    roaming: list[RoamingReach]
    groups: list[ReachGroup]


class PointView(View):
    """People so far, `seconds` after the release."""

    seconds: float
    handed_over: int
    delivered: int
    answered: int


class SeriesPart(View):
    """The course for one country (of the number of the first way), first way or mission; null: none. Points as those of everybody."""

    key: str | None
    name: str | None = Field(description="a mission's name; null for the others")
    frozen: int = Field(description="people of this part on the frozen lists that were released")
    points: list[PointView]


class ReachSeries(View):
    """The course over time in at most 200 points at equal distances, cumulative. Empty before anything happened.

    With `by`, `parts` holds each part's own course, the largest first; at every point they sum to `points`.
    """

    broadcast_id: UUID
    released_at: datetime | None
    as_of: datetime
    step_seconds: float
    points: list[PointView]
    by: Cut | None = None
    parts: list[SeriesPart] = Field(default_factory=list)


class HandsView(View):
    """Who did what, and when; null where nobody had to."""

    written_by: str | None
    submitted_by: str | None
    submitted_at: datetime | None
    approved_by: str | None = Field(description="approved and so released it; for prepared words: released it")
    approved_at: datetime | None
    words_written_by: str | None = Field(description="of prepared words: who wrote them")
    words_approved_by: str | None = Field(description="of prepared words: who approved them")
    confirmed_by: str | None
    cancelled_by: str | None
    cancelled_at: datetime | None


class ListView(View):
    """One frozen list: its number within the message, how many people, and when it was frozen and released."""

    number: int
    wave: int
    count: int
    frozen_at: datetime | None
    released_at: datetime | None
    approved_by: str | None


class WindowsView(View):
    """The log of what was begun: each window was committed before its messages left. `open`: under way, or of a worker that was lost."""

    count: int
    handings_over: int
    resends: int
    open: int


class ProofView(View):
    """What was approved by whom, what was released to how many, and what is known of it, and not more.

    `texts` is null where words may not leave (a quiet incident, a restricted message); `content_hash` covers them all the
    same. `document_sha256` is over this document without itself, as JSON with sorted keys and no blanks.
    """

    broadcast_id: UUID
    incident_id: UUID
    incident_title: str
    status: Status
    msg_type: MsgType
    as_of: datetime
    content_hash: str | None = Field(description="SHA-256 of all that was approved")
    texts: dict[str, str] | None
    ways: list[Channel]
    validity_seconds: int
    resend_unknown: ResendUnknown
    released_at: datetime | None
    hands: HandsView
    lists: list[ListView]
    windows: WindowsView
    statement: list[Words] = Field(description="in words, sentence by sentence")
    reach: ReachView
    document_sha256: str
