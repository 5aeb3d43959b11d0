"""What a carrier says of a message, one after the other, as the plan has it."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.sandbox.plan import Asked, Channel, Decision, Plan, Planner, Receipts

FINAL = frozenset({"delivered", "undelivered", "failed"})


@dataclass(frozen=True, slots=True)
class Step:
    """One receipt: after so many seconds, this status."""

    seconds: float
    status: str
    code: str = ""
    is_posted: bool = True


def steps_of(decision: Decision, plan: Plan, planner: Planner, asked: Asked) -> list[Step]:
    """The receipts of one message, in the order of their posting."""
    first = planner.between(plan.receipt_seconds, asked, "sent")
    second = planner.between(plan.receipt_seconds, asked, "delivered")
    sent, delivered = Step(first, "sent"), Step(second, "delivered")
    late = Step(plan.late_seconds + first, "sent")
    undelivered = Step(second, "undelivered", decision.receipt_code or "30003")
    return {
        Receipts.NORMAL: [sent, delivered],
        Receipts.EARLY: [sent, delivered],
        Receipts.LATE: [late, delivered],
        Receipts.DUPLICATE: [sent, Step(0, "sent"), delivered, Step(0, "delivered")],
        Receipts.REVERSED: [Step(first, "delivered"), Step(second, "sent")],
        Receipts.MISSING: [Step(first, "sent", is_posted=False), Step(second, "delivered", is_posted=False)],
        # Nobody takes such a call up: it has no step before its end.
        Receipts.UNDELIVERED: [undelivered] if asked.channel is Channel.VOICE else [sent, undelivered],
    }[decision.receipts]
