"""The `siaga` command: every process and every tool, each a few lines over the part that does the work."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.orm import Session

from alerts.kit.logging import configure_logging
from alerts.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
staff_app = typer.Typer(no_args_is_help=True, help="Accounts of the staff. The first administrator is made here only.")
token_app = typer.Typer(no_args_is_help=True, help="Bearer tokens of API clients.")
app.add_typer(staff_app, name="staff")
app.add_typer(token_app, name="token")

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def main() -> None:
    """Run the command; an error of ours is one sentence, not a trace."""
    try:
        app()
    except _errors_of_ours() as error:  # asked for only once there is an error
        sys.exit(str(error))


def _errors_of_ours() -> tuple[type[Exception], ...]:
    from alerts.embedded import EmbeddedError
    from alerts.kit.errors import AppError
    from alerts.story.api import ReplayError
    from alerts.story.crisis import CrisisFileError

    return AppError, EmbeddedError, CrisisFileError, ReplayError


@app.command()
def serve(*, workers: Annotated[int, typer.Option(min=1, help="processes")] = 1) -> None:
    """The web server: API, pages, live streams."""
    import uvicorn

    settings = Settings.from_environment()
    configure_logging()
    web = settings.web
    uvicorn.run(
        "alerts.app:from_environment",
        factory=True,
        host=web.host,
        port=web.port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=web.trusted_proxies or "127.0.0.1",
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker(
    *,
    concurrency: Annotated[int, typer.Option(min=1, help="child processes")] = 2,
    queues: Annotated[str, typer.Option(help="of quick, inbound, sending, evidence, paging; run apart, none waits for another")] = "",
) -> None:
    """The Celery worker (prefork): sends, looks up, understands replies, recomputes sheets."""
    from alerts.health import tell_rate_faults
    from workers.app import connect_child_signals, make_celery
    from workers.watchdog import watch_worker
    from workers.wiring import ALL_QUEUES

    settings = Settings.from_environment()
    configure_logging()
    tell_rate_faults(settings)
    celery = make_celery(settings)
    connect_child_signals(settings)
    names = queues or ",".join(ALL_QUEUES)
    watch_worker(settings, celery, names.split(","))
    options = ["--quiet", "worker", "--pool=prefork", f"--concurrency={concurrency}", "--loglevel=WARNING"]
    options += ["--queues", names, "--hostname", f"{queues.replace(',', '-') or 'all'}@%h"]
    celery.worker_main([*options, "--without-gossip", "--without-mingle", "--without-heartbeat"])


@app.command()
def relay() -> None:
    """The relay: tells the workers what happened, and what the clock asks for."""
    import signal
    from threading import Event

    from alerts.kit.db import make_engine, make_sessions
    from alerts.kit.memory import settle
    from workers.app import make_celery
    from workers.relay import Relay

    settings = Settings.from_environment()
    configure_logging()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sessions = make_sessions(make_engine(settings.database.url.get_secret_value(), pool_size=2))
    service = Relay(settings, sessions, make_celery(settings))
    settle()
    service.run(stop)


@app.command()
def sandbox(
    *,
    log: Annotated[Path, typer.Option(help="where acceptances are written, one JSON line each")],
    port: int = 0,
    plan: Annotated[Path | None, typer.Option(help="JSON: pace, receipts, people, faults")] = None,
) -> None:
    """A carrier that behaves, or misbehaves on plan: Twilio's texts and calls, a second provider, FCM v1, Web Push and SMTP."""
    from alerts.kit.p256 import public_text
    from alerts.sandbox.carrier import SandboxConfig
    from alerts.sandbox.plan import Plan
    from alerts.sandbox.server import run

    settings = Settings.from_environment()
    config = SandboxConfig(
        account_sid=settings.twilio.account_sid,
        auth_token=settings.twilio.auth_token.get_secret_value(),
        fcm_token=settings.fcm.static_token.get_secret_value(),
        log_path=log,
        plan=Plan.model_validate_json(plan.read_text(encoding="utf-8")) if plan else Plan(),
        port=port,
        second_key=settings.sms2.secret.get_secret_value(),
        second_receipt_secret=settings.sms2.receipt_secret.get_secret_value(),
        application_key=public_text(settings.web_push.private_key.get_secret_value()) if "web_push" in settings.channels else "",
        smtp_port=settings.email.port if settings.email.host else None,
        mail_password=settings.email.password.get_secret_value(),
    )
    run(config)


@app.command()
def migrate() -> None:
    """Bring the database to this version and load the missions and the country rules. Safe to repeat."""
    from alerts.country_rules.actions import load_packaged_rules
    from alerts.kit.db import begin, require_postgres
    from alerts.migrations import upgrade
    from alerts.missions.actions import load_missions

    settings = Settings.from_environment()
    with begin(_sessions(settings)) as session:
        require_postgres(session)
    upgrade(settings.database.url.get_secret_value())
    with begin(_sessions(settings)) as session:
        loaded = load_missions(session)
        rules = load_packaged_rules(session)
    print(f"migrated; {loaded}; {rules}")


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look at everything once: parts, ages of what waits, promises of the tables. Exit 1 when something is wrong."""
    from alerts.health import examine
    from workers.wiring import watch

    settings = Settings.from_environment()
    diagnosis = examine(settings, _sessions(settings), watch(settings))
    if as_json:
        print(json.dumps(diagnosis.as_json(), default=str))
    else:
        lines = [f"{name}: {value}" for name, value in diagnosis.facts.items()]
        lines += [f"WARNING: {warning}" for warning in diagnosis.warnings]
        lines += [f"FAULT: {fault}" for fault in diagnosis.faults]
        lines += [f"BROKEN: {v['invariant']} ({v['count']} rows, e.g. {v['sample']})" for v in diagnosis.violations]
        print("\n".join([*lines, "healthy" if diagnosis.is_healthy else "NOT healthy"]))
    raise typer.Exit(0 if diagnosis.is_healthy else 1)


@app.command()
def facts() -> None:
    """What our tables claim of every message, as JSON: ids only. Its form, and how it is judged: docs/judge.md."""
    from alerts.deliveries.facts import export_facts
    from alerts.kit.db import begin

    with begin(_sessions(Settings.from_environment())) as session:
        print(json.dumps(export_facts(session)))


@app.command()
def judge(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a carrier's journal")],
    *,
    facts_file: Annotated[
        Path | None, typer.Option("--facts", exists=True, dir_okay=False, help="an export of `siaga facts`; otherwise the tables")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Who was texted, who twice, who was missed: a carrier's journal against our tables. Exit 1 when a promise is broken."""
    from alerts.sandbox.judge import broken_promises, judge_files
    from alerts.stage import verdict_on

    verdict = judge_files(log, facts_file) if facts_file else verdict_on(_sessions(Settings.from_environment()), log)[0]
    broken = broken_promises(verdict)
    if as_json:
        print(json.dumps(verdict))
    else:
        print("\n".join(f"{name}: {value}" for name, value in (verdict | verdict["total"]).items() if isinstance(value, int)))
        print("BROKEN: " + ", ".join(f"{name} {count}" for name, count in broken.items()) if broken else "every promise was kept")
    raise typer.Exit(1 if broken else 0)


@app.command("after-restore")
def after_restore_command(
    *,
    snapshot: Annotated[bool, typer.Option("--snapshot", help="its files were put back, which the database itself cannot know")] = False,
    nothing_lost: Annotated[bool, typer.Option("--nothing-lost", help="a takeover without loss: only remember the new server")] = False,
    approved_before: Annotated[datetime | None, typer.Option(help="the restore point, UTC; messages approved later are left alone")] = None,
) -> None:
    """Say that the database was restored: what may have been sent in the lost time becomes unknown, then sending begins again.

    Stop the workers and the relay first (deploy/runbook.md).
    """
    from alerts.deliveries.restoring import accept_database, after_restore
    from alerts.kit.db import begin

    settings = Settings.from_environment()
    sessions = _sessions(settings)
    if nothing_lost:
        with begin(sessions) as session:
            accept_database(session)
        print("the new server is remembered")
        return
    before = approved_before.replace(tzinfo=UTC) if approved_before else None
    done = after_restore(settings, sessions, is_snapshot=snapshot, approved_before=before)
    print(f"{done.unknown} deliveries may have been sent and read unknown now; {done.made} were made of lists not released to the end")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="judge every row, write nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a CSV register in; the same file again changes nothing. A result per row is kept."""
    from alerts.stage import load_register

    run, counts = load_register(Settings.from_environment(), _sessions(Settings.from_environment()), file, is_dry_run=dry_run)
    print(json.dumps({"import": run, **counts}) if as_json else f"import {run}: " + ", ".join(f"{n} {k}" for k, n in counts.items()))


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="exit when the story is told")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures here")] = None,
    story: Annotated[str | None, typer.Option(help="one of those that come with the program: attack, feri_2021, turkiye_2023")] = None,
    crisis: Annotated[str, typer.Option(help="a bundled crisis, or a file of that form")] = "turkiye_2023",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="of the pages; a free one by default")] = None,
) -> None:
    """A whole crisis on this machine: register, incident, approved alerts, receipts and replies, reports, the answer sheet."""
    from alerts.demo import run_demo
    from alerts.story.crisis import bundled_names

    if story is not None and story not in bundled_names():
        raise typer.BadParameter(f"there is no story {story!r}; there are: {', '.join(bundled_names())}", param_hint="--story")
    raise typer.Exit(run_demo(story or crisis, is_once=once, json_path=json_file, port=port))


@app.command()
def replay(
    file: str,
    *,
    url: Annotated[str, typer.Option(help="of a running Siaga")],
    token: Annotated[list[str], typer.Option(help="SOURCE=TOKEN: `ministry=…`, `mission:<code>=…`, or `*=…`; `-` reads such lines")],
    incident: Annotated[str | None, typer.Option(help="an open one; otherwise the file's is opened")] = None,
    shuffle: Annotated[int | None, typer.Option(help="what was said arrives in another order, one for each number")] = None,
) -> None:
    """Play a crisis file through the report API (its form: docs/crisis-file.md)."""
    from alerts.demo import run_replay

    lines = [line for item in token for line in (sys.stdin.read().split() if item == "-" else [item])]
    if not all("=" in line for line in lines):
        raise typer.BadParameter("SOURCE=TOKEN is needed, as in ministry=…", param_hint="--token")
    tokens = dict(line.split("=", 1) for line in lines)
    raise typer.Exit(run_replay(file, url.rstrip("/"), tokens, incident_id=incident, shuffle=shuffle))


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="fanout, rows, receipts, recovery, summary, checkins, live, or all; scale alone")],
    *,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="small and once: proves that it works; its rates say nothing")] = False,
    recipients: Annotated[int | None, typer.Option(min=10, help="instead of the path's own number")] = None,
) -> None:
    """Measure a path beside the naive way and the limit; ends with one JSON line per path. Exit 1 below a floor."""
    from alerts.bench.outcome import Plan
    from alerts.bench.runner import paths_of, run

    paths = paths_of(name)
    if not paths:
        raise typer.BadParameter(f"{name!r} is not a path", param_hint="NAME")
    is_good = True
    for outcome in run(paths, Plan(is_quick=quick, recipients=recipients), lambda words: print(words, file=sys.stderr, flush=True)):
        is_good &= outcome.is_good
        if not as_json:
            print(outcome.as_words())
        print(json.dumps(outcome.as_json()), flush=True)
    raise typer.Exit(0 if is_good else 1)


@staff_app.command("create")
def staff_create(username: str, *, name: str = "") -> None:
    """Make the first administrator; the password is read from standard input."""
    from alerts.kit.db import begin
    from alerts.staff.actions import create_first_administrator

    with begin(_sessions(Settings.from_environment())) as session:
        staff_id = create_first_administrator(session, username=username, password=_password(), display_name=name)
    print(f"administrator {username} ({staff_id})")


@staff_app.command("disable")
def staff_disable(username: str) -> None:
    """Shut an account; its next request is refused."""
    from alerts.kit.actor import SYSTEM
    from alerts.kit.db import begin
    from alerts.staff.actions import disable_staff

    with begin(_sessions(Settings.from_environment())) as session:
        disable_staff(session, actor=SYSTEM, staff_id=_staff_id(session, username))
    print(f"{username} is disabled")


@staff_app.command("reset")
def staff_reset(username: str) -> None:
    """Give an account a new password, read from standard input; its sessions end."""
    from alerts.kit.actor import SYSTEM
    from alerts.kit.db import begin
    from alerts.staff.actions import reset_staff

    with begin(_sessions(Settings.from_environment())) as session:
        reset_staff(session, actor=SYSTEM, staff_id=_staff_id(session, username), password=_password())
    print(f"{username} has a new password")


@token_app.command("create")
def token_create(username: str, *, name: str = "cli") -> None:
    """A bearer token that acts as an account. It is printed once."""
    from alerts.kit.actor import SYSTEM
    from alerts.kit.db import begin
    from alerts.staff.actions import create_token

    with begin(_sessions(Settings.from_environment())) as session:
        issued = create_token(session, actor=SYSTEM, staff_id=_staff_id(session, username), name=name)
    print(issued.secret)


def _staff_id(session: Session, username: str) -> UUID:
    from alerts.kit.errors import NotFoundError
    from alerts.staff.queries import find_staff_by_username

    staff = find_staff_by_username(session, username)
    if staff is None:
        raise NotFoundError("staff_not_found", f"there is no account named {username}")
    return staff.id


def _password() -> str:
    return sys.stdin.readline().rstrip("\n")


def _sessions(settings: Settings) -> Any:
    from alerts.kit.db import make_engine, make_sessions

    return make_sessions(make_engine(settings.database.url.get_secret_value(), pool_size=2))


if __name__ == "__main__":
    main()
