"""Where runs keep their data: under `.run` of the checkout, one folder per run, and nowhere else on the machine."""

import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alerts.embedded.errors import EmbeddedError

CHECKOUT = Path(__file__).resolve().parents[2]
RUN_FOLDER = CHECKOUT / ".run"
LOCK_NAME = "lock"
RECORD_NAME = "run.json"
IPC_RMID = 0
SHARED_MEMORY_LINE = 6  # of postmaster.pid: "<key> <id>" of the small System V segment Postgres holds


def use_checkout_scratch(environ: MutableMapping[str, str], folder: Path = RUN_FOLDER) -> None:
    """Send temporary files, caches and browser profiles of this process and its children into the checkout."""
    places = {
        "TMPDIR": folder / "tmp",
        "XDG_CACHE_HOME": folder / "cache",
        "XDG_CONFIG_HOME": folder / "config",
        "XDG_DATA_HOME": folder / "data",
        "XDG_RUNTIME_DIR": folder / "runtime",
    }
    for name, place in places.items():
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder) from error
        environ[name] = str(place)
    places["XDG_RUNTIME_DIR"].chmod(0o700)


def new_run_folder(parent: Path, purpose: str) -> tuple[Path, int]:
    """Make this run's own folder and lock it; returns both.

    The lock lives as long as a process holds the descriptor, so the kernel releases it even after kill -9. Others may
    pass through the folder (the fall-back user must), but not list it.
    """
    folder = parent / f"{purpose}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        if parent.stat().st_uid == os.getuid():
            parent.chmod(0o755)
        folder.mkdir(mode=0o711)
        folder.chmod(0o711)
        return folder, _hold(folder)
    except OSError as error:
        raise _unwritable(parent) from error


def _hold(folder: Path) -> int:
    """Lock first and name the file afterwards: a sweep must never see it unlocked."""
    unnamed = folder / f"{LOCK_NAME}.new"
    descriptor = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(folder / LOCK_NAME)
    return descriptor


def dead_runs(parent: Path) -> list[Path]:
    """Folders of runs of this user whose owner is gone."""
    return [entry.parent for entry in sorted(parent.glob(f"*/{LOCK_NAME}")) if _is_dead(entry)]


def _is_dead(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # another user's run, or one that is being removed just now
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Note what a run started, so that a later one can clean up after it."""
    path = folder / RECORD_NAME
    path.touch(mode=0o600)
    path.write_text(json.dumps(record))


def read_record(folder: Path) -> dict[str, Any]:
    """What a run noted; nothing when it died before noting."""
    try:
        found = json.loads((folder / RECORD_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remove_run(folder: Path) -> None:
    """End what may still run of a dead run, and delete its folder."""
    for pid, started in read_record(folder).get("processes", {}).items():
        if process_started(int(pid)) == started:
            with suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
    _remove_shared_memory(folder)
    shutil.rmtree(folder, ignore_errors=True)


def process_started(pid: int) -> str | None:
    """The kernel's start mark of a process: with the pid it names one process for good. None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _remove_shared_memory(folder: Path) -> None:
    """A Postgres that was killed leaves one small System V segment; nothing else would ever remove it."""
    for file in folder.glob("*/postmaster.pid"):
        with suppress(OSError, ValueError, IndexError, AttributeError):
            segment = int(file.read_text().splitlines()[SHARED_MEMORY_LINE].split()[1])
            ctypes.CDLL(None).shmctl(segment, IPC_RMID, None)


def _unwritable(folder: Path) -> EmbeddedError:
    return EmbeddedError(
        f"{folder} is not writable for user id {os.getuid()}: delete it or give it to this user "
        f"(sudo chown -R {os.getuid()} {folder}), or work in a clone of your own."
    )
