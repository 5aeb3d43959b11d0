"""What a screen of the bench reads of a stream, however its bytes are cut."""

from __future__ import annotations

import pytest

from alerts.bench.screens import Screen

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
FIRST = b'20\r\nid: 12\ndata: {"injured": 345}\n\n\r\n'
LAST = b'20\r\ndata: {"injured": 345}\nid: 12\n\n\r\n'


@pytest.mark.parametrize("event", [FIRST, LAST], ids=["id first", "id last"])
@pytest.mark.parametrize("at", range(1, len(HEAD + FIRST)))
def test_a_version_is_read_right_wherever_the_bytes_are_cut(event: bytes, at: int) -> None:
    """Digits at the beginning of a piece belong to the data, or to the version: the line says which."""
    screen = Screen(b"")
    whole = HEAD + event
    screen.data_received(whole[:at])
    screen.data_received(whole[at:])
    assert (screen.version, screen.went_back) == (12, 0)
    screen.data_received(event.replace(b"12", b"13"))
    assert (screen.version, screen.went_back) == (13, 0)
