"""Which addresses a browser may name as its push service, and which of them a message may go to.

A subscription's address comes from outside and we post to it: without a list it would let a stranger make our servers
call whatever they can reach. So: known services by name, https on its own port, no redirects (see wire.py), and a name
that resolves to this machine or an inner network is refused at the moment of connecting, on the very address connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from alerts.settings_groups import is_loopback_host

ENDPOINT_MAX = 2048
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class PushService:
    """One service: its host (a leading dot: every host below that name) and where its subscriptions lie."""

    host: str
    paths: tuple[str, ...] = ("/",)

    def has(self, url: URL) -> bool:
        host = url.host or ""
        is_host = host.endswith(self.host) and host != self.host if self.host.startswith(".") else host == self.host
        return is_host and url.raw_path.startswith(self.paths)


# The services of Chrome and its kin, Firefox, Safari, Edge. Paths keep the rest of such a host's interface out of reach.
PUSH_SERVICES: tuple[PushService, ...] = (
    PushService("fcm.googleapis.com", ("/fcm/send/", "/wp/")),
    PushService("updates.push.services.mozilla.com", ("/wpush/",)),
    PushService(".push.apple.com"),
    PushService(".notify.windows.com", ("/w/",)),
)


class EndpointFault(StrEnum):
    """Why an address is none of a push service."""

    UNREADABLE = "endpoint_unreadable"
    NOT_HTTPS = "endpoint_not_https"
    NOT_LISTED = "endpoint_not_listed"


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """What is allowed here. `extra_hosts` as in PushService; `is_rehearsal`: demo or test, where only loopback is sent to."""

    extra_hosts: frozenset[str] = frozenset()
    is_rehearsal: bool = False

    def registering_fault(self, endpoint: str) -> EndpointFault | None:
        """What is wrong with an address that somebody wants to register; None for a good one."""
        url = parse_endpoint(endpoint)
        if url is None:
            return EndpointFault.UNREADABLE
        return None if self.is_rehearsal and is_loopback_host(url.host or "") else self._listing_fault(url)

    def sending_fault(self, endpoint: str) -> EndpointFault | None:
        """What forbids a message to this address here and now; None where it may go."""
        url = parse_endpoint(endpoint)
        if url is None:
            return EndpointFault.UNREADABLE
        if self.is_rehearsal:
            return None if is_loopback_host(url.host or "") else EndpointFault.NOT_LISTED
        return self._listing_fault(url)

    def resolver(self, inner: AbstractResolver | None = None) -> AddressGuard:
        """The resolver for connections under this policy. Make it in the event loop that uses it."""
        return AddressGuard(inner or ThreadedResolver(), is_rehearsal=self.is_rehearsal)

    def _listing_fault(self, url: URL) -> EndpointFault | None:
        if url.scheme != "https" or url.port != 443:
            return EndpointFault.NOT_HTTPS
        extra = tuple(PushService(host) for host in self.extra_hosts)
        is_listed = not _is_address(url.host or "") and any(service.has(url) for service in (*PUSH_SERVICES, *extra))
        return None if is_listed else EndpointFault.NOT_LISTED


class RefusedAddressError(OSError):
    """A name led to an address that no push service has. Nothing was sent."""


class AddressGuard(AbstractResolver):
    """Resolves by another resolver and refuses what is not public (in a rehearsal: what is not loopback).

    The connection is made to the addresses that were judged: there is no second resolution in which they could change.
    One bad address among good ones refuses them all; a push service has none.
    """

    def __init__(self, inner: AbstractResolver, *, is_rehearsal: bool = False) -> None:
        self._inner, self._is_rehearsal = inner, is_rehearsal

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found or not all(self._is_good(each["host"]) for each in found):
            raise RefusedAddressError("the name does not lead to a public address")
        return found

    async def close(self) -> None:
        await self._inner.close()

    def _is_good(self, address: str) -> bool:
        return is_loopback_host(address) if self._is_rehearsal else is_public(address)


def parse_endpoint(endpoint: str) -> URL | None:
    """The address as it would be posted to; None where it is not one plain http or https address."""
    if len(endpoint) > ENDPOINT_MAX or not endpoint.isascii() or not endpoint.isprintable() or any(c in endpoint for c in ' \\#"<>'):
        return None
    try:
        url = URL(endpoint, encoded=True)
        is_plain = url.scheme in ("http", "https") and bool(url.host) and bool(url.port) and url.user is None and url.password is None
        has_detour = any(unquote(part) in (".", "..") for part in url.raw_path.split("/"))
    except ValueError:
        return None
    return url if is_plain and not has_detour else None


def is_public(address: str) -> bool:
    """Whether an address belongs to the open network, whatever form it is hidden in."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour is not None or ip.teredo is not None:
            return False
        if ip.ipv4_mapped is not None or ip in NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
