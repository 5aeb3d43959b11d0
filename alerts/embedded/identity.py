"""As whom a server runs. Postgres refuses to be root, so root has to become somebody else first.

Three ways, tried in this order: *self* (we are an ordinary user), *namespace* (a user namespace in which root is
uid 1000: files keep their owner, no account is needed), *nobody* (uid 65534, which must be able to reach the checkout).
"""

import ctypes
import os
import signal
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

FALLBACK_UID = 65534
INSIDE_UID = 1000
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
CANNOT_BECOME = 10
CANNOT_REACH = 11


class Identity(StrEnum):
    """How a server's process gets its user."""

    SELF = "self"
    NAMESPACE = "namespace"
    NOBODY = "nobody"


def candidates(uid: int) -> list[Identity]:
    """The ways open to this user, best first."""
    return [Identity.NAMESPACE, Identity.NOBODY] if uid == 0 else [Identity.SELF]


def become(identity: Identity) -> None:
    """Change this process, which must be a fresh child, into `identity`. Raises OSError."""
    if identity is Identity.NAMESPACE:
        _enter_namespace()
    elif identity is Identity.NOBODY:
        os.setgroups([])
        os.setgid(FALLBACK_UID)
        os.setuid(FALLBACK_UID)


def _enter_namespace() -> None:
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "a user namespace was refused")
    with suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{INSIDE_UID} {gid} 1")
    Path("/proc/self/uid_map").write_text(f"{INSIDE_UID} {uid} 1")


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when `parent` dies. Call it last: a change of user clears the wish."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_with_parent() -> None:
    """A command that `make` started ends when make is killed, so that a killed make leaves nothing behind."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def can_run(identity: Identity, program: Path, folder: Path) -> bool:
    """Try it in a child process: may `identity` execute `program` and write into `folder`?"""
    child = os.fork()
    if child == 0:
        os._exit(_try(identity, program, folder))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _try(identity: Identity, program: Path, folder: Path) -> int:
    try:
        become(identity)
    except OSError:
        return CANNOT_BECOME
    reachable = os.access(program, os.X_OK) and os.access(folder, os.W_OK | os.X_OK)
    return 0 if reachable else CANNOT_REACH


def first_closed(path: Path) -> Path | None:
    """The outermost folder above `path` that a stranger may not enter, or None."""
    for folder in reversed(path.resolve().parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


def unreachable_sentence(program: Path, folder: Path) -> str:
    """What to tell the person whose checkout the fall-back user cannot reach."""
    closed = first_closed(program) or first_closed(folder) or folder
    return (
        f"Postgres does not run as root, and the user it would run as (uid {FALLBACK_UID}) may not enter {closed}: "
        f"move the checkout to a place that every user may enter (for example /srv/siaga), "
        f"or allow it with: chmod o+x {closed} - or run the command as an ordinary user."
    )
