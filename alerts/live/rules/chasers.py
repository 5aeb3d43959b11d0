"""Whether a mission is being asked for its report, as the sheet says it: from the words that were written down."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.live.parts import ChaserMark
from alerts.live.rules.facts import MissionFacts
from alerts.live.rules.figures import Frame
from alerts.reports.chasing.rules import Chaser, shown_of, standing_of, word_behind
from alerts.reports.rules.standing import FiledReport


def chaser_mark(mission: MissionFacts, own: Sequence[FiledReport], frame: Frame) -> ChaserMark:
    """The state of a mission's chasing at the sheet's time, and the word on which it rests."""
    standing = standing_of(mission.words, max((report.known_at for report in own), default=None))
    state = shown_of(standing, frame.as_of)
    word = word_behind(standing, state)
    if word is None:
        return ChaserMark(state=state)
    return ChaserMark(
        state=state,
        since=word.known_at,
        due_at=word.due_at if state is Chaser.CHASING else None,
        until=word.until,
        covered_by=word.covered_by,
        covered_by_name=frame.mission_names.get(word.covered_by, word.covered_by) if word.covered_by else None,
        reason=word.reason,
        by=None if state is Chaser.CHASING else word.by,
    )
