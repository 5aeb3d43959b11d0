"""The codes of a report: categories, values, rungs, sources, states. Names for people are in `words`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from alerts.incidents.rules import LADDER, Claim, is_at_least

__all__ = ["LADDER", "Claim", "is_at_least"]


class Category(StrEnum):
    """What is counted. Each belongs to one axis; totals are checked within one axis only."""

    DEAD = "dead"
    SERIOUSLY_INJURED = "seriously_injured"
    LIGHTLY_INJURED = "lightly_injured"
    INJURED = "injured"
    ILL = "ill"
    IN_HOSPITAL = "in_hospital"
    DETAINED = "detained"
    TRAPPED = "trapped"
    MISSING = "missing"
    UNACCOUNTED = "unaccounted"
    SAFE = "safe"
    SHELTERING = "sheltering"
    EN_ROUTE = "en_route"
    EVACUATED = "evacuated"
    REPATRIATED = "repatriated"
    STRANDED = "stranded"
    AFFECTED = "affected"
    STAYED = "stayed"
    REGISTERED = "registered"
    ESTIMATED_PRESENT = "estimated_present"


class Axis(StrEnum):
    """The four axes of a person, and the population that they are counted in."""

    CONDITION = "condition"
    CONTACT = "contact"
    PLACE = "place"
    WISH = "wish"
    POPULATION = "population"


AXIS_OF: Mapping[Category, Axis] = MappingProxyType(
    {
        Category.DEAD: Axis.CONDITION,
        Category.SERIOUSLY_INJURED: Axis.CONDITION,
        Category.LIGHTLY_INJURED: Axis.CONDITION,
        Category.INJURED: Axis.CONDITION,
        Category.ILL: Axis.CONDITION,
        Category.MISSING: Axis.CONTACT,
        Category.UNACCOUNTED: Axis.CONTACT,
        Category.SAFE: Axis.CONTACT,
        Category.IN_HOSPITAL: Axis.PLACE,
        Category.DETAINED: Axis.PLACE,
        Category.TRAPPED: Axis.PLACE,
        Category.SHELTERING: Axis.PLACE,
        Category.EN_ROUTE: Axis.PLACE,
        Category.EVACUATED: Axis.PLACE,
        Category.REPATRIATED: Axis.PLACE,
        Category.STRANDED: Axis.PLACE,
        Category.STAYED: Axis.WISH,
        Category.AFFECTED: Axis.POPULATION,
        Category.REGISTERED: Axis.POPULATION,
        Category.ESTIMATED_PRESENT: Axis.POPULATION,
    }
)

SEVERITIES = (Category.SERIOUSLY_INJURED, Category.LIGHTLY_INJURED)
"""Parts of `injured` when somebody says the severity; never added to it."""


class LineKind(StrEnum):
    """`standing` is true at `as_of`; `planned` has not happened; `of_which` is a part of the set named by `of`."""

    STANDING = "standing"
    PLANNED = "planned"
    OF_WHICH = "of_which"


class Nationality(StrEnum):
    """Whose citizens. `mixed` is a number in which several are counted together."""

    OWN = "own"
    OWN_CHILD_DUAL = "own_child_dual"
    FOREIGN_FAMILY = "foreign_family"
    FOREIGN_HELPED = "foreign_helped"
    UNVERIFIED = "unverified"
    MIXED = "mixed"


class Series(StrEnum):
    """Three columns that are never added: our own count, the host state's totals, what the media say."""

    OWN = "own"
    HOST_STATE = "host_state"
    MEDIA = "media"


class Silence(StrEnum):
    """A value that is not a number. Only the last of them is a zero."""

    NOT_ASKED = "not_asked"
    ASKED_NO_ANSWER = "asked_no_answer"
    ASKED_NONE_REPORTED = "asked_none_reported"
    CHECKED_NONE_FOUND = "checked_none_found"


class LineState(StrEnum):
    """Whether a line counts. A held one is shown and asked about, and counts nowhere."""

    ACCEPTED = "accepted"
    HELD = "held"


class ReportState(StrEnum):
    """The answer to a filing. All three are stored; none is refused for its content."""

    ACCEPTED = "accepted"
    HELD = "held"
    CONFLICTING = "conflicting"


class Target(StrEnum):
    """Whom a mission may ask about its citizens. All but the first belong to the minister's fifth question."""

    AUTHORITIES = "authorities"
    HOSPITAL = "hospital"
    MORTUARY = "mortuary"
    POLICE = "police"
    DISASTER_AGENCY = "disaster_agency"
    AIRPORT = "airport"
    HOTEL = "hotel"
    EMPLOYER = "employer"
    COMMUNITY = "community"
    OTHER = "other"


class Outcome(StrEnum):
    """How far a check came, lowest first."""

    NOT_TRIED = "not_tried"
    TRIED_NO_ANSWER = "tried_no_answer"
    ASKED = "asked"
    VISITED = "visited"


class NeedState(StrEnum):
    """Whether a mission still needs something."""

    OPEN = "open"
    MET = "met"


class Rule(StrEnum):
    """Why a line is held, or what is asked about it."""

    NOT_A_NUMBER = "not_a_number"
    NEGATIVE = "negative"
    NOT_WHOLE = "not_whole"
    IMPLAUSIBLE = "implausible"
    VALUE_MISSING = "value_missing"
    ZERO_NEEDS_CHECK = "zero_needs_check"
    CHECK_WITHOUT_HOW = "check_without_how"
    UNKNOWN_PLACE = "unknown_place"
    NO_PLACE = "no_place"
    SET_MISSING = "set_missing"
    SUBSET_EXCEEDS_SET = "subset_exceeds_set"
    PARTS_DO_NOT_SUM = "parts_do_not_sum"
    PARTS_LEAVE_A_REST = "parts_leave_a_rest"
    SAME_CELL_TWICE = "same_cell_twice"
    CONTACT_WITHOUT_PROOF = "contact_without_proof"
    CLOCK_OFF = "clock_off"
    PROMISE_FAR = "promise_far"
    REASON_MISSING = "reason_missing"
    ALREADY_SUPERSEDED = "already_superseded"
    SUPERSEDES_UNKNOWN = "supersedes_unknown"
    WITHDRAWS_UNKNOWN = "withdraws_unknown"
    FILED_AT_ONCE = "filed_at_once"
    SOURCES_DIFFER = "sources_differ"
    SEVERITY_EXCEEDS_INJURED = "severity_exceeds_injured"
    FALLS_WITHOUT_REASON = "falls_without_reason"


HOLDING = frozenset(
    {
        Rule.NOT_A_NUMBER,
        Rule.NEGATIVE,
        Rule.NOT_WHOLE,
        Rule.IMPLAUSIBLE,
        Rule.VALUE_MISSING,
        Rule.ZERO_NEEDS_CHECK,
        Rule.CHECK_WITHOUT_HOW,
        Rule.UNKNOWN_PLACE,
        Rule.NO_PLACE,
        Rule.SUBSET_EXCEEDS_SET,
        Rule.PARTS_DO_NOT_SUM,
        Rule.SAME_CELL_TWICE,
        Rule.REASON_MISSING,
        Rule.WITHDRAWS_UNKNOWN,
    }
)
"""Rules whose lines count nowhere until somebody files anew."""

CONFIRMABLE = frozenset({Rule.SUBSET_EXCEEDS_SET, Rule.PARTS_DO_NOT_SUM})
"""Of these, arithmetic alone: the figure is understood and may well be what was counted, so a person may let it count as it is."""

CONFLICTING = frozenset(
    {
        Rule.ALREADY_SUPERSEDED,
        Rule.SUPERSEDES_UNKNOWN,
        Rule.FILED_AT_ONCE,
        Rule.SOURCES_DIFFER,
        Rule.SEVERITY_EXCEEDS_INJURED,
    }
)
"""Rules by which a whole report is answered as conflicting; its figures are kept and shown side by side."""
