"""Processor time and memory of whole processes with their children, from /proc: what a busy neighbour distorts least."""

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


def children_memory_mb(pid: int | None) -> float:
    """The largest resident memory among the processes below this one, in megabytes. Zero where there is no /proc."""
    if pid is None or not PROC.is_dir():
        return 0.0
    stats = dict(_stats())
    pages = [_resident_pages(each) for each in stats if each != pid and _is_below(each, {pid}, stats)]
    return max(pages, default=0) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _resident_pages(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):  # it ended while we were looking
        return 0


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
