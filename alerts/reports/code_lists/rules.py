"""What a one-time code is, and what becomes of one that is given. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CODE_DIGITS = 6
SIZE_DEFAULT, SIZE_MAX = 50, 100
IN_FORCE_MAX = 3
"""Lists of one mission at a time: one in use, one in the safe, one at the house of the head of mission."""
WRONG_MAX = 5
"""So many refused codes from one phone within `WRONG_SECONDS`; then none is looked at until the oldest is that old. What was not
looked at is no refusal: whoever tries again meanwhile waits no longer."""
WRONG_MAX_OF_MISSION = 15
"""The same over all phones that file for one mission."""
WRONG_SECONDS = 3600


class Verdict(StrEnum):
    """What a code that came with a message is worth. Only `valid` lifts a report above the lowest rung."""

    NONE = "none"
    VALID = "valid"
    WRONG = "wrong"
    USED = "used"
    REVOKED = "revoked"
    NOT_LOOKED_AT = "not_looked_at"


REFUSED = frozenset({Verdict.WRONG, Verdict.USED, Verdict.REVOKED})


@dataclass(frozen=True, slots=True)
class Refused:
    """So many codes were refused lately, in the order in which they are counted: of this phone, of this mission."""

    of_phone: int
    of_mission: int

    @property
    def is_enough(self) -> bool:
        """Whether no more are looked at for now."""
        return self.of_phone >= WRONG_MAX or self.of_mission >= WRONG_MAX_OF_MISSION

    def one_more(self) -> Refused:
        """After another refusal."""
        return Refused(self.of_phone + 1, self.of_mission + 1)


def verdict_of(*, is_known: bool, is_used: bool, is_revoked: bool) -> Verdict:
    """A used code says so even when its list was taken back since: whoever sent it looks for the reason."""
    if not is_known:
        return Verdict.WRONG
    if is_used:
        return Verdict.USED
    return Verdict.REVOKED if is_revoked else Verdict.VALID
