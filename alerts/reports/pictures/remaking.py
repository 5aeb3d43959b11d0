"""Make a picture anew in a process of its own, which may use little time and memory and open nothing.

Whoever sends a picture chooses its bytes, and decoders of pictures have had holes: what goes wrong goes wrong in a child
that holds no secret and no connection. It starts anew for each picture (a quarter of a second), two at a time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from threading import BoundedSemaphore

from alerts.kit.errors import InvalidError, ThrottledError
from alerts.reports.pictures.rules import SENTENCES, Fault, Location, Remade

AT_ONCE, WAITING, RETRY_SECONDS, LIMIT_SECONDS = 2, 2, 2.0, 20.0
FIELD = "picture"
_slots = BoundedSemaphore(AT_ONCE)
# Whoever is here has a turn at the database: a rush of pictures must leave the others to everybody else.
_places = BoundedSemaphore(AT_ONCE + WAITING)


def remake(content: bytes) -> Remade:
    """The picture as we keep it.

    Raises InvalidError (field `picture`) for what is no picture, has too many pixels or is damaged, and ThrottledError, at
    once, when enough wait already.
    """
    if not content:
        raise _invalid(Fault.NOT_A_PICTURE)
    if not _places.acquire(blocking=False):
        raise ThrottledError("too_many_pictures_at_once", "Many pictures are being taken in: try again.", retry_after=RETRY_SECONDS)
    try:
        with _slots:
            return _in_a_child(content)
    finally:
        _places.release()


def _in_a_child(content: bytes) -> Remade:
    argv = [sys.executable, "-I", "-B", "-c", "from alerts.reports.pictures.child import main; main()"]
    try:
        child = subprocess.run(argv, input=content, capture_output=True, timeout=LIMIT_SECONDS, check=False, env={}, cwd="/")  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _invalid(Fault.DAMAGED) from None
    head, _, body = child.stdout.partition(b"\n")
    if child.returncode or not head:  # its limits ended it, or a decoder did
        raise _invalid(Fault.DAMAGED)
    told = json.loads(head)
    if "fault" in told:
        raise _invalid(Fault(told["fault"]))
    location = Location(**told["location"]) if told["location"] else None
    large, small = body[: told["large"]], body[told["large"] :]
    return Remade(large, small, told["width"], told["height"], location)


def _invalid(fault: Fault) -> InvalidError:
    return InvalidError(fault, SENTENCES[fault], field=FIELD)
