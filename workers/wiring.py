"""All reflexes of the system on one page: which event rings which tasks, and what the clock rings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alerts.deliveries.lateness import Watch
from alerts.settings import Settings

REACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "incident.opened": ("live.refresh", "reports.chase", "incidents.call_out"),
        "incident.changed": ("live.refresh", "reports.chase", "incidents.call_out"),
        "incident.closed": ("live.refresh", "reports.chase"),
        "incident.reopened": ("live.refresh", "reports.chase", "incidents.call_out"),
        "incident.taken_over": ("live.refresh",),
        "incident.merged": ("live.refresh", "reports.chase"),
        "crew.wanted": ("crew.call",),
        "crew.changed": ("live.refresh",),
        "broadcast.freeze_asked": ("broadcasts.freeze",),
        "broadcast.first_freeze_asked": ("broadcasts.freeze_first_alert",),
        "broadcast.copy_asked": ("deliveries.freeze_copied",),
        "broadcast.follow_up_asked": ("deliveries.freeze_follow_up",),
        "broadcast.held": ("live.refresh",),
        "broadcast.wave_waits": ("live.refresh",),
        "broadcast.wave_approved": ("deliveries.release_wave",),
        "broadcast.promise_due": ("live.refresh",),
        "broadcast.submitted": ("live.refresh", "broadcasts.page_approver"),
        "broadcast.approved": ("deliveries.release",),
        "broadcast.cancelled": ("deliveries.stop", "live.refresh"),
        "delivery.batch_due": ("deliveries.send",),
        "delivery.not_reached": ("deliveries.begin_next",),
        "delivery.progress": ("live.progress",),
        "delivery.alarm": ("notices.raise",),
        "paging.started": ("notices.ring",),
        "paging.acknowledged": ("reports.chase",),
        "chase.changed": ("live.refresh", "reports.chase"),
        "chase.noted": ("live.refresh",),
        "alarm.raised": ("notices.ring",),
        "notice.queued": ("notices.send",),
        "inbound.received": ("inbox.understand",),
        "inbound.urgent": ("inbox.page_readers",),
        "case.raised": ("checkins.page_owners", "inbox.reply"),
        "case.changed": ("checkins.page_owners", "inbox.reply"),
        "reply.asked": ("inbox.send_replies",),
        "roaming.asked": ("deliveries.roaming",),
        "checkin.recorded": ("deliveries.mark_answered", "live.refresh"),
        "person.changed": ("live.refresh",),
        "enquiry.changed": ("families.page_owners", "live.refresh"),
        "citizens.imported": ("citizens.index_names",),
        "report.filed": ("live.refresh", "reports.chase"),
        "report.confirmed": ("live.refresh",),
        "report.resolved": ("live.refresh",),
        "sheet.changed": ("live.digest",),
        "statement.published": ("live.refresh",),
        "statement.stale": ("live.digest",),
        "statement.withdrawn": ("live.refresh",),
    }
)

DRAINS: frozenset[str] = frozenset(
    {
        "checkins.page_owners",
        "crew.call",
        "deliveries.begin_next",
        "deliveries.mark_answered",
        "families.page_owners",
        "inbox.page_readers",
        "live.digest",
        "live.progress",
        "live.refresh",
        "notices.raise",
        "notices.ring",
        "notices.send",
        "inbox.send_replies",
        "reports.chase",
    }
)
"""Tasks that take all that waits for them at once: one ring stands for many events (a storm of check-ins, say)."""

NAMES_SECONDS = 300.0
"""An import rings for its names itself; this finds those whom no event told of."""
QUICK = "quick"
QUEUES: Mapping[str, str] = MappingProxyType(
    {
        "deliveries.send": "sending",
        "deliveries.resend": "evidence",
        "deliveries.look_up": "evidence",
        "citizens.index_names": "evidence",
        "notices.send": "paging",
        "inbox.send_replies": "paging",
        "deliveries.roaming": "paging",
        "inbox.understand": "inbound",
        "inbox.reply": "inbound",
    }
)
"""Queues other than `quick`: neither a long batch, nor a slow carrier, nor a storm of answers may keep a release or the minister's
sheet waiting. A worker of several queues takes from each in turn."""
ALL_QUEUES = (QUICK, *sorted(set(QUEUES.values())))


def schedule(settings: Settings) -> Mapping[str, float]:
    """Tasks that the clock rings, with their period in seconds."""
    return {
        "deliveries.apply_receipts": settings.delivery.receipts_seconds,
        "deliveries.watch": settings.delivery.watch_seconds,
        "deliveries.sweep": settings.delivery.sweep_seconds,
        "deliveries.ring": settings.delivery.ring_seconds,
        "deliveries.escalate": settings.delivery.ring_seconds,
        "broadcasts.release_due": settings.delivery.clock_seconds,
        "deliveries.keep_promises": settings.delivery.clock_seconds,
        "deliveries.find_waves": settings.delivery.wave_seconds,
        "deliveries.look_up": settings.delivery.sweep_seconds,
        "deliveries.resend": settings.delivery.sweep_seconds,
        "notices.ring": settings.paging.poll_seconds,
        "crew.call": settings.paging.poll_seconds,
        "notices.send": settings.paging.poll_seconds,
        "inbox.send_replies": settings.delivery.sweep_seconds,
        "deliveries.roaming": settings.delivery.sweep_seconds,
        "live.refresh_all": settings.live.refresh_seconds,
        "live.digest": settings.paging.poll_seconds,
        "reports.chase": settings.chasing.poll_seconds,
        "deliveries.check": settings.health.check_seconds,
        "round_trips.run": settings.synthetic.check_seconds,
        "citizens.index_names": NAMES_SECONDS,
        "kit.clean_up": 3600.0,
    }


def watch(settings: Settings) -> Watch:
    """What a doctor and the check look at: silence on a queue that the clock rings means that nobody works there."""
    health = settings.health
    clocked = tuple(sorted({QUEUES.get(task, QUICK) for task in schedule(settings)}))
    return Watch(QUEUES, clocked, QUICK, health.late_seconds, health.silent_seconds, health.answer_seconds)
