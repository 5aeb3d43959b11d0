"""Another order of arrival: what was said is the same, only who is heard first differs."""

from __future__ import annotations

import random

from alerts.story.crisis import Crisis
from alerts.story.steps import PersonStep, ReportStep, StatementStep, StatementWithdrawalStep, Step

SAID = (ReportStep, PersonStep, StatementStep, StatementWithdrawalStep)
BEFORE = frozenset({"open", "change", "cover"})


def shuffled(crisis: Crisis, seed: int) -> list[Step]:
    """Reports and statements in any order in which none speaks of what was not said yet.

    Who opened and who covers comes before them, as there would be nobody to say them otherwise; what was decided on them
    comes after, as decisions are taken on what has been said.
    """
    rng, told = random.Random(seed), {step.ref for step in crisis.steps if step.kind in BEFORE}  # noqa: S311 - no secret
    first = [step for step in crisis.steps if step.kind in BEFORE]
    waiting: list[Step] = [step for step in crisis.steps if isinstance(step, SAID)]
    last = [step for step in crisis.steps if step.kind not in BEFORE and not isinstance(step, SAID)]
    chosen: list[Step] = []
    while waiting:
        ready = [step for step in waiting if told.issuperset(step.mentions())]
        step = rng.choice(ready)
        waiting.remove(step)
        chosen.append(step)
        told.add(step.ref)
    return [*first, *chosen, *last]
