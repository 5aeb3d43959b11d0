"""No test speaks to another machine: a hook below every Python socket."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
INTERNET = (socket.AF_INET, socket.AF_INET6)


class OutsideWorldError(RuntimeError):
    """A test tried to leave this machine."""


_allowed: set[str] = set()
_installed: list[bool] = []


def forbid_outside_world(allowed_urls: Iterable[str] = ()) -> None:
    """From now on, connecting or resolving anything but loopback (and the named servers) raises."""
    for url in allowed_urls:
        host = urlsplit(url).hostname
        if host:
            _allowed.add(host)
            _allowed.update(str(entry[4][0]) for entry in socket.getaddrinfo(host, None))
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in CONNECTING:
        peer, address = arguments
        if peer.family in INTERNET and address and not _is_allowed(str(address[0])):
            raise OutsideWorldError(f"a test tried to reach {address[0]}: only loopback is open")
    elif event == "socket.getaddrinfo" and arguments[0] is not None and not _is_allowed(_text(arguments[0])):
        raise OutsideWorldError(f"a test tried to resolve {_text(arguments[0])}: only loopback is open")


def _text(host: str | bytes) -> str:
    return host.decode() if isinstance(host, bytes) else host


def _is_allowed(host: str) -> bool:
    if host in _allowed or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
