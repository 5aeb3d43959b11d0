"""What our own commands (`make demo|test|bench|faults`) may touch: never a live carrier, never somebody else's data."""

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from alerts.embedded import foreign
from alerts.embedded.errors import SafetyError

KEPT_SETTINGS = frozenset(
    {
        "SIAGA_DATABASE_URL",
        "SIAGA_DATABASE_URL_FILE",
        "SIAGA_REDIS_URL",
        "SIAGA_REDIS_URL_FILE",
        "SIAGA_CARRIER_COMMAND",
        "SIAGA_STRICT_SKIPS",
        "SIAGA_TWILIO_OPENAPI",
        "SIAGA_CHROMIUM",
        "SIAGA_LOG_LEVEL",
        "SIAGA_LOG_FORMAT",
        "SIAGA_WEB_HOST",
        "SIAGA_WEB_PORT",
    }
)
LOOPBACK_NAMES = "127.0.0.1,localhost,::1"


def safe_environment(env: Mapping[str, str]) -> dict[str, str]:
    """A copy of `env` in which no live setting is left.

    It is a list of what stays, so that the setting of a carrier that comes next year is dropped as well. Names of other
    programs stay as they are. Loopback is taken out of any HTTP proxy: a request to the sandbox must not leave.
    """
    kept = {name: value for name, value in env.items() if not name.startswith("SIAGA_") or name in KEPT_SETTINGS}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(part for part in (kept.get(name, ""), LOOPBACK_NAMES) if part)
    return kept


def dropped_settings(env: Mapping[str, str]) -> list[str]:
    """Names (never values) that `safe_environment` leaves out, to be said aloud."""
    return sorted(name for name in env if name.startswith("SIAGA_") and name not in KEPT_SETTINGS)


def require_loopback(url: str) -> str:
    """Return `url` when it is an HTTP address of this machine; otherwise raise `SafetyError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or any(c.isspace() or c == "\\" or ord(c) < ord(" ") for c in url):
        raise SafetyError("A carrier's address must be a plain http address of this machine, such as http://127.0.0.1:9000.")
    if not _is_loopback(parts.hostname or ""):
        raise SafetyError(
            f"This command talks to the sandbox carrier only, and {parts.hostname} is not this machine: "
            "nothing was sent. Live carriers are for siaga serve and siaga worker."
        )
    return url


def require_sandbox(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a `siaga` process of ours when both carriers it names are on this machine.

    A carrier that is not named would be the live one by default, so it is refused as well.
    """
    named = {name: url for name, url in env.items() if name.startswith("SIAGA_") and name.endswith("_BASE_URL")}
    for name in ("SIAGA_TWILIO_BASE_URL", "SIAGA_FCM_BASE_URL"):
        if not named.get(name):
            raise SafetyError(f"{name} is not set, which would mean the live carrier: this command needs the sandbox's address there.")
    for url in named.values():
        require_loopback(url)
    return dict(env)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" and _resolves_to_loopback(host)


def _resolves_to_loopback(host: str) -> bool:
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    return bool(found) and all(ipaddress.ip_address(address).is_loopback for address in found)


def require_empty_register(database_url: str) -> None:
    """Refuse a database that holds a person: the demo fills one and belongs into an empty one."""
    with foreign.connect(database_url) as connection:
        row = connection.execute("SELECT to_regclass('citizen') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            return
        held = connection.execute("SELECT EXISTS (SELECT FROM citizen)").fetchone()
    if held is not None and held[0]:
        raise SafetyError(
            "This database holds people, and the demo invents people: nothing was changed. "
            "Name an empty database, or unset SIAGA_DATABASE_URL to use the embedded one."
        )


def require_supported_postgres(version_number: int) -> None:
    """See `foreign.require_supported_postgres`; here because it is one of the safety rules."""
    foreign.require_supported_postgres(version_number)
