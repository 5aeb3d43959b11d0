"""Processor time of whole processes with their children, from /proc: what a busy neighbour distorts least."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
PARENT, TIMES = 1, slice(11, 15)  # of /proc/<pid>/stat behind the name: parent; own and reaped children's user and system time


def cpu_seconds(pids: Iterable[int | None]) -> float:
    """Seconds of processor time that these processes and all below them have used. Zero where there is no /proc."""
    wanted = {pid for pid in pids if pid}
    if not wanted or not PROC.is_dir():
        return 0.0
    stats = dict(_stats())
    ticks = sum(sum(times) for pid, (_, times) in stats.items() if _is_below(pid, wanted, stats))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stats() -> Iterator[tuple[int, tuple[int, tuple[int, ...]]]]:
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended while we were looking
            continue
        yield int(folder.name), (int(fields[PARENT]), tuple(int(ticks) for ticks in fields[TIMES]))


def _is_below(pid: int, wanted: set[int], stats: dict[int, tuple[int, tuple[int, ...]]]) -> bool:
    while pid in stats:
        if pid in wanted:
            return True
        pid = stats[pid][0]
    return False
