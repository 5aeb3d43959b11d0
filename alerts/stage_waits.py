"""The waits of a stage for a story that is told faster than it happens: production's, all in one measure."""

from __future__ import annotations

from alerts.settings import Settings

SHORTENED = {
    "live": ("report_due_seconds", "digest_seconds"),
    "callout": ("deputy_seconds",),
    "paging": ("repeat_seconds",),
    "chasing": (
        "voice_after_seconds",
        "head_after_seconds",
        "ministry_after_seconds",
        "repeat_seconds",
        "acknowledged_seconds",
        "snooze_max_seconds",
        "extreme_seconds",
        "severe_seconds",
        "moderate_seconds",
        "minor_seconds",
        "unknown_seconds",
    ),
}
"""What people wait for each other, by the group of settings: first reports, deputies, chasing, digests."""
LOOKED_FOR = {"SIAGA_CHASING_POLL_SECONDS": "0.2", "SIAGA_PAGING_POLL_SECONDS": "0.2"}
"""Clocks that run out sooner are looked at sooner."""


def shortened_waits(share: float) -> dict[str, str]:
    """The settings with which a wait of a minute takes `share` of one."""
    waits = {}
    for group, names in SHORTENED.items():
        fields = Settings.model_fields[group].annotation.model_fields  # type: ignore[union-attr]
        for name in names:
            waits[f"SIAGA_{group}_{name}".upper()] = f"{fields[name].default * share:g}"
    return LOOKED_FOR | waits
