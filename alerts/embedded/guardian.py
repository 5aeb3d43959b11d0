"""The guardian: a small process between us and the servers, so that nothing outlives the command that started it.

    command --pipe--> guardian --parent-death signal--> postgres, valkey

The command ends, crashes or is killed with -9: the pipe closes (and the parent's pid changes), the guardian stops
the servers and deletes the run's folder. The guardian itself is killed with -9: the kernel kills the servers, and
the next run deletes the folder. It speaks one JSON line per request and one per answer.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from alerts.embedded import forking, identity, scratch

LOOK_SECONDS = 0.25
STOP_SECONDS = 10.0
FOREIGN_SECONDS = 20.0
# The data is thrown away, so the servers need not save it; what was started last is ended first.
LAST_WISH = {"postgres": signal.SIGQUIT, "valkey": signal.SIGKILL}
Answer = dict[str, Any]
Process = subprocess.Popen[bytes] | forking.Child


class Guardian:
    """Holds the processes of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, Process] = {}
        self.warm: set[str] = set()
        self.told: dict[str, str] = {}
        self.identity = identity.Identity.SELF
        self.foreign: dict[str, str] = {}
        self.foreign_names: dict[str, str] = {}

    def answer(self, request: dict[str, Any]) -> Answer:
        """Do one request of the command."""
        operation = request.pop("do")
        handler = getattr(self, f"do_{operation}")
        try:
            answer: Answer = handler(**request)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return {"error": f"{operation}: {error}"}
        return answer

    def do_identify(self, *, program: str, data: str) -> Answer:
        """Choose as whom Postgres runs, and give it its data folder."""
        for choice in identity.candidates(os.getuid()):
            if choice is identity.Identity.NOBODY:
                os.chown(data, identity.FALLBACK_UID, identity.FALLBACK_UID)
            if identity.can_run(choice, Path(program), Path(data)):
                self.identity = choice
                return {"identity": choice}
        return {"error": identity.unreachable_sentence(Path(program), Path(data))}

    def do_run(self, *, argv: list[str], secret: str, seconds: float) -> Answer:
        """Run a command to its end as Postgres' user; `--pwfile` names a file that holds `secret` meanwhile."""
        file = self.folder / "secret"
        file.touch(mode=0o600)
        file.write_text(secret)
        if self.identity is identity.Identity.NOBODY:
            os.chown(file, identity.FALLBACK_UID, identity.FALLBACK_UID)
        try:
            done = subprocess.run(  # noqa: S603 - our own argument list
                [*argv, f"--pwfile={file}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                cwd="/",
                preexec_fn=self._prepare(self.identity),
                check=False,
            )
        finally:
            file.unlink()
        return {"code": done.returncode, "output": done.stdout.decode(errors="replace")}

    def do_warm_up(self, *, modules: list[str], environ: dict[str, str]) -> Answer:
        """Load modules; from now on `python -m <one of them>` is forked from here, but for an interpreter told other things."""
        forking.warm_up(modules)
        self.warm, self.told = set(modules), forking.interpreters_own(environ)
        return {}

    def do_start(
        self, *, name: str, argv: list[str], stdin: str = "", is_postgres: bool = False, environ: dict[str, str] | None = None
    ) -> Answer:
        """Start a process; its output goes to `<name>.log` of the run's folder."""
        who = self.identity if is_postgres else identity.Identity.SELF
        if environ is not None and argv[1] == "-m" and argv[2] in self.warm and forking.interpreters_own(environ) == self.told:
            self.processes[name] = forking.fork(argv, self.folder / f"{name}.log", environ, self._prepare(who))
            self._record()
            return {"pid": self.processes[name].pid}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own argument list
                argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/" if environ is None else scratch.CHECKOUT,
                env=environ,
                preexec_fn=self._prepare(who),  # noqa: PLW1509 - this process has one thread
            )
        if process.stdin:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin.encode())
        self.processes[name] = process
        self._record()
        return {"pid": process.pid}

    def do_pid(self, *, name: str) -> Answer:
        """The pid of a server, or null when it is dead."""
        process = self.processes.get(name)
        return {"pid": process.pid if process and process.poll() is None else None}

    def do_stop(self, *, name: str, signal_name: str) -> Answer:
        """Stop a server by a signal; kill it when it has not obeyed after ten seconds."""
        process = self.processes.pop(name, None)
        if process is not None:
            _end(process, signal.Signals[signal_name])
        return {}

    def do_foreign(self, *, servers: dict[str, str], names: dict[str, str]) -> Answer:
        """Remember what to take away again from servers that are not ours; only `names` is written to a file."""
        self.foreign, self.foreign_names = servers, names
        self._record()
        return {}

    def do_end(self) -> Answer:
        """Stop everything and clean up."""
        self.end()
        return {}

    def end(self) -> None:
        """Stop the servers, take our things from foreign ones, delete the folder."""
        ours = [process for name, process in self.processes.items() if name not in LAST_WISH]
        for process in ours:
            _wish(process, signal.SIGTERM)  # all at once: each needs a second or two to end
        for process in ours:
            _end(process, signal.SIGTERM)
        for name in reversed([name for name in self.processes if name in LAST_WISH]):
            _end(self.processes[name], LAST_WISH[name])
        self.processes.clear()
        if self.foreign:
            self._clean_foreign()
        scratch.remove_run(self.folder)

    def _clean_foreign(self) -> None:
        """In a process of its own: a foreign server may hang, and then our own must still be stopped and forgotten."""
        argv = [sys.executable, "-m", "alerts.embedded.foreign"]
        with suppress(subprocess.SubprocessError):
            subprocess.run(argv, input=json.dumps(self.foreign).encode(), timeout=FOREIGN_SECONDS, check=False)  # noqa: S603
        self.foreign = {}

    def _prepare(self, who: identity.Identity) -> Any:
        parent = os.getpid()

        def prepare() -> None:
            os.setpgid(0, 0)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.umask(0o077)
            identity.become(who)
            identity.die_with_parent(parent)

        return prepare

    def _record(self) -> None:
        processes = {str(p.pid): scratch.process_started(p.pid) for p in self.processes.values()}
        scratch.write_record(self.folder, {"processes": processes, "foreign": self.foreign_names})


def _wish(process: Process, wish: signal.Signals) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGCONT)  # who is frozen could not obey
        process.send_signal(wish)


def _end(process: Process, wish: signal.Signals) -> None:
    _wish(process, wish)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def _watch(guardian: Guardian, parent: int) -> None:
    """Serve requests until the command is gone."""
    while os.getppid() == parent:
        for process in guardian.processes.values():
            process.poll()
        if not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            continue
        line = sys.stdin.readline()
        if not line:
            return
        answer = guardian.answer(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Entry: the run's folder, the command's pid and the descriptor of the folder's lock are the arguments."""
    folder, parent, lock = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.set_inheritable(lock, False)  # noqa: FBT003 - the function takes no keyword
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _guard(Guardian(folder), parent)
    except forking.Becoming as becoming:
        child = becoming.with_traceback(None)  # which holds the guardian
    else:
        os.close(lock)
        return
    child.run()


def _guard(guardian: Guardian, parent: int) -> None:
    """Until the command is gone; then nothing of the run is left. Raises `Becoming` in a process that is forked from here."""
    ours = os.getpid()
    try:
        sys.stdout.write(json.dumps({"ready": True}) + "\n")
        sys.stdout.flush()
        _watch(guardian, parent)
    except BrokenPipeError:
        pass
    finally:
        if os.getpid() == ours:
            guardian.end()


if __name__ == "__main__":
    main()
