"""The commands: ``flask --app APP async …``, and ``nereid-async …`` without Flask.

Modules that import trytond are imported inside the functions: trytond chooses its
database backend at import, and the configuration of ``-c`` must be read before.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import ConfigurationError, NereidAsyncError, TransportError
from .worker.options import (
    PROCESSES_MAX,
    THREADS,
    THREADS_MAX,
    THREADS_ON_SQLITE,
    WorkerOptions,
    default_threads,
)

if TYPE_CHECKING:
    from flask.cli import ScriptInfo

    from .rows import TaskRows
    from .runtime import Runtime

logger = logging.getLogger(__name__)

_LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def _worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option(
                "--queue",
                "queues",
                multiple=True,
                metavar="NAME",
                help="Short name of a queue to work on; repeatable. "
                "Default: the setting sqs_queue.",
            ),
            click.option(
                "--processes",
                default=WorkerOptions.processes,
                show_default=True,
                type=click.IntRange(1, PROCESSES_MAX),
                help="Processes that run tasks.",
            ),
            click.option(
                "--threads",
                default=None,
                show_default=f"{THREADS}, on SQLite {THREADS_ON_SQLITE}",
                type=click.IntRange(1, THREADS_MAX),
                help="Tasks at a time in each process.",
            ),
            click.option(
                "--burst", is_flag=True, help="Exit when no task is left that is due."
            ),
            click.option(
                "--cron",
                is_flag=True,
                help="Run what is due of Tryton's schedule (ir.cron) each minute, in "
                "place of trytond-cron.",
            ),
            click.option(
                "--grace",
                "grace_s",
                default=WorkerOptions.grace_s,
                show_default=True,
                type=click.FloatRange(0),
                help="Shutdown grace: seconds that running tasks may take to finish "
                "after SIGTERM.",
            ),
            click.option(
                "--max-tasks",
                default=WorkerOptions.max_tasks,
                type=click.IntRange(0),
                help="Recycle a process after that many tasks; 0 for never.",
            ),
            click.option(
                "--max-memory",
                "max_memory_mb",
                default=WorkerOptions.max_memory_mb,
                type=click.IntRange(0),
                metavar="MB",
                help="Recycle a process that has used that much memory; 0 for never.",
            ),
            click.option(
                "--stuck-after",
                "stuck_after_s",
                default=WorkerOptions.stuck_after_s,
                show_default=True,
                type=click.FloatRange(1),
                help="Report a process as stuck when it has not received for that many "
                "seconds.",
            ),
            click.option(
                "--give-up-after",
                "give_up_s",
                default=WorkerOptions.give_up_s,
                show_default=True,
                type=click.FloatRange(1),
                help="Exit with an error when a process has not received for that many "
                "seconds.",
            ),
            click.option(
                "--busy-after",
                "busy_after_s",
                default=WorkerOptions.busy_after_s,
                show_default=True,
                type=click.FloatRange(1),
                help="Report a process as busy when all its threads have run the same "
                "tasks for that many seconds.",
            ),
            click.option(
                "--health-file",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Write `ok`, or what is wrong, to this file every few seconds.",
            ),
            click.option("-v", "--verbose", is_flag=True, help="Log every task."),
        )
    ):
        command = option(command)
    return command


def _run_worker(
    runtime: Runtime, verbose: bool, threads: int | None, **options: Any
) -> None:
    """Run tasks until Ctrl-C or SIGTERM."""
    from . import versions
    from .worker.start import work

    if options["cron"] and options["burst"]:
        raise click.UsageError(
            "--cron goes on for ever, and --burst ends; `trytond-cron --once` runs "
            "what is due now"
        )
    _log_to_stderr(verbose)
    versions.check()
    _import(runtime.settings.imports)
    for name, value in runtime.settings.described().items():
        logger.info("setting %s = %s", name, value)
    if runtime.web_context is None:
        logger.warning(
            "no web app: tasks deferred by web requests are left for a worker that "
            "has it (--app, or `flask async worker`)"
        )
    threads = default_threads() if threads is None else threads
    sys.exit(work(runtime, WorkerOptions(threads=threads, **options)))


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"setting imports: {module} cannot be imported: {error}"
            ) from error


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format=_LOG_FORMAT)
    logging.getLogger(__package__).setLevel(
        logging.INFO if verbose else logging.WARNING
    )


def _run_status(runtime: Runtime) -> None:
    """Count the tasks by state, and by queue those that wait for a worker."""
    if runtime.rows is None:
        raise click.ClickException("without an outbox there are no rows to count")
    runtime.load_pool()
    for state, count in runtime.rows.count_by_state().items():
        click.echo(f"{state}: {count}")
    for queue, count in runtime.rows.count_due_by_queue().items():
        click.echo(f"due in queue {queue}: {count}")
    for pause in runtime.rows.pauses():
        click.echo(str(pause))


def _rows_of_queues(
    runtime: Runtime, queues: tuple[str, ...], all_queues: bool
) -> tuple[TaskRows, tuple[str, ...]]:
    """The rows of the database, and the names of the queues to pause or resume."""
    from .rows import ALL_QUEUES
    from .sqs.queue_names import checked_queue

    if all_queues == bool(queues):
        raise click.UsageError("name queues, or all of them with --all")
    for queue in queues:
        checked_queue(queue)
    if runtime.rows is None:
        raise click.ClickException("without an outbox there is no table of pauses")
    runtime.load_pool()
    return runtime.rows, queues or (ALL_QUEUES,)


def _run_pause(
    runtime: Runtime,
    queues: tuple[str, ...],
    all_queues: bool,
    wait: bool,
    timeout_s: float | None,
) -> None:
    """Let workers take nothing more from queues.

    Workers notice within two seconds. What runs finishes; --wait waits for it.
    """
    from .pausing import described, unknown_queues, wait_until_idle

    if timeout_s is not None and not wait:
        raise click.UsageError("--timeout goes with --wait")
    rows, queues = _rows_of_queues(runtime, queues, all_queues)
    for queue in unknown_queues(rows, queues):
        click.echo(f"queue {queue}: no task was ever deferred to it", err=True)
    for queue in queues:
        already = "" if rows.pause(queue) else ", and was before"
        click.echo(f"{described(queue)}: paused{already}")
    if not wait:
        return
    running = wait_until_idle(
        rows, queues, timeout_s, lambda task: click.echo(f"waits for {task}")
    )
    if running:
        raise click.ClickException(
            f"{len(running)} task(s) still run after {timeout_s:g} s; new ones do not "
            "start, the pause holds"
        )
    click.echo("nothing runs any more")


def _run_resume(runtime: Runtime, queues: tuple[str, ...], all_queues: bool) -> None:
    """Let workers go on with paused queues; they notice within two seconds."""
    from .pausing import described

    rows, queues = _rows_of_queues(runtime, queues, all_queues)
    for queue in queues:
        text = "resumed" if rows.resume(queue) else "was not paused"
        click.echo(f"{described(queue)}: {text}")
    for pause in rows.pauses():
        click.echo(str(pause))


def _run_reap(runtime: Runtime) -> None:
    """Remove old rows, results and forgotten reply queues."""
    from .worker.maintenance.reaper import reap

    if runtime.rows is not None:
        runtime.load_pool()
    click.echo(f"removed: {reap(runtime)}")


def _run_cancel(runtime: Runtime, ids: tuple[str, ...], interrupt: bool) -> None:
    """Cancel tasks: what waits never runs, what runs is asked to stop."""
    from .cancelling import cancel
    from .messages.outcome import State

    if runtime.rows is None:
        raise click.ClickException("without an outbox there are no rows to cancel")
    runtime.load_pool()
    for task_id in ids:
        found = cancel(runtime, task_id, interrupt=interrupt)
        if found is None:
            click.echo(f"{task_id}: there is no such task")
        elif found.waiting:
            click.echo(f"{task_id}: cancelled, it was {found.value}")
        elif found is State.RUNNING:
            click.echo(f"{task_id}: runs, and is to stop")
        else:
            click.echo(f"{task_id}: is {found.value} already")


def _run_retry(runtime: Runtime, ids: tuple[str, ...]) -> None:
    """Let failed and cancelled tasks run again."""
    if runtime.rows is None:
        raise click.ClickException("without an outbox there are no rows to retry")
    runtime.load_pool()
    again = runtime.rows.retry_failed(ids)
    for task_id in ids:
        if task_id in again:
            click.echo(f"{task_id}: again")
        elif runtime.rows.status(task_id) is None:
            click.echo(f"{task_id}: there is no such task")
        else:
            click.echo(f"{task_id}: has neither failed nor been cancelled")
    for task_id in again:
        try:
            runtime.results.withdraw(task_id)
        except TransportError as error:
            logger.warning("task %s: its old reply is still there: %s", task_id, error)


def _run_identity(runtime: Runtime, renew: bool, drop_waiting: bool) -> None:
    """Show the identity of the database, which tells it from its copy.

    A copy needs a new identity before any process of it starts: --renew.
    """
    if drop_waiting and not renew:
        raise click.UsageError("--drop-waiting goes with --renew")
    runtime.load_pool()
    if renew:
        renewal = runtime.identity.renew(runtime.codec, drop_waiting=drop_waiting)
        click.echo(
            f"renewed; tasks that wait: {renewal.kept} kept, {renewal.dropped} dropped"
        )
        if renewal.unreadable:
            click.echo(
                f"{renewal.unreadable} task(s) stay as they are: the signing_key here "
                "is not theirs"
            )
    click.echo(runtime.identity.value)


# -- through Flask -------------------------------------------------------------


@click.group("async")
def flask_group() -> None:
    """Asynchronous tasks."""


def _runtime_of_app(info: ScriptInfo) -> Runtime:
    """Load a web app in an app context, which is closed again.

    The worker opens a context for each task that needs one.
    """
    app: Any = info.load_app()
    with app.app_context():
        if not app.initialised:
            app.initialise()
    state: Runtime = app.extensions["nereid_async"]
    return state


def _app_runtime(command: Callable[..., None]) -> Callable[..., None]:
    # Imported late: `nereid-async` works where Flask is not used.
    def run(**options: Any) -> None:
        from flask.cli import ScriptInfo

        info = click.get_current_context().ensure_object(ScriptInfo)
        with _reporting():
            command(_runtime_of_app(info), **options)

    run.__doc__ = command.__doc__
    return run


@contextmanager
def _reporting() -> Iterator[None]:
    """End a command with a line, not a traceback, for errors that its user can mend."""
    # Without trytond's own traceback of a failed connection: the worker logs a line.
    logging.getLogger("trytond.backend.postgresql.database").addFilter(_untraced)
    try:
        yield
    except NereidAsyncError as error:
        raise click.ClickException(str(error)) from error
    except Exception as error:
        # Imported late, as all of trytond.
        from trytond import backend

        if not isinstance(error, backend.DatabaseOperationalError):
            raise
        raise click.ClickException(f"database: {error}") from error


def _untraced(record: logging.LogRecord) -> bool:
    return not record.exc_info


def _identity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    drop = click.option(
        "--drop-waiting",
        is_flag=True,
        help="With --renew: delete the tasks that have not run.",
    )
    renew = click.option(
        "--renew", is_flag=True, help="Give the database, a copy, a new identity."
    )
    return renew(drop(command))


_interrupt = click.option(
    "--interrupt", is_flag=True, help="Interrupt a run that does not stop by itself."
)


def _queue_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    every = click.option(
        "--all",
        "all_queues",
        is_flag=True,
        help="All queues, also those that appear later.",
    )
    return click.argument("queues", nargs=-1, metavar="QUEUE...")(every(command))


def _pause_options(command: Callable[..., Any]) -> Callable[..., Any]:
    wait = click.option(
        "--wait", is_flag=True, help="Return when none of their tasks runs any more."
    )
    timeout = click.option(
        "--timeout",
        "timeout_s",
        default=None,
        type=click.FloatRange(0),
        metavar="SECONDS",
        help="With --wait: exit with an error after that many seconds.",
    )
    return _queue_arguments(wait(timeout(command)))


_ids = click.argument("ids", nargs=-1, required=True, metavar="ID...")

flask_group.command("worker")(_worker_options(_app_runtime(_run_worker)))
flask_group.command("status")(_app_runtime(_run_status))
flask_group.command("reap")(_app_runtime(_run_reap))
flask_group.command("cancel")(_interrupt(_ids(_app_runtime(_run_cancel))))
flask_group.command("retry")(_ids(_app_runtime(_run_retry)))
flask_group.command("pause")(_pause_options(_app_runtime(_run_pause)))
flask_group.command("resume")(_queue_arguments(_app_runtime(_run_resume)))
flask_group.command("identity")(_identity_options(_app_runtime(_run_identity)))


# -- without Flask -------------------------------------------------------------


@click.group()
@click.version_option(package_name="nereid_async")
def main() -> None:
    """Asynchronous tasks of a Tryton database."""


def _tryton_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option(
                "-c",
                "--config",
                "config_files",
                multiple=True,
                type=click.Path(exists=True, dir_okay=False),
                envvar="TRYTOND_CONFIG",
                help="trytond.conf; repeatable.",
            ),
            click.option(
                "-d",
                "--database",
                metavar="NAME",
                help="The Tryton database; not needed with --app.",
            ),
            click.option(
                "--app",
                "app_name",
                metavar="MODULE[:FACTORY]",
                help="The web app, for tasks deferred by its requests.",
            ),
        )
    ):
        command = option(command)
    return command


def _tryton_runtime(command: Callable[..., None]) -> Callable[..., None]:
    def run(
        config_files: tuple[str, ...],
        database: str | None,
        app_name: str | None,
        **options: Any,
    ) -> None:
        with _reporting():
            command(_load_runtime(config_files, database, app_name), **options)

    run.__doc__ = command.__doc__
    return run


def _load_runtime(
    config_files: tuple[str, ...], database: str | None, app_name: str | None
) -> Runtime:
    from trytond.config import config

    if config_files:
        config.update_etc(list(config_files))
    from . import runtime as runtimes

    if app_name is not None:
        from flask.cli import ScriptInfo

        runtime = _runtime_of_app(ScriptInfo(app_import_path=app_name))
        if database not in (None, runtime.database):
            raise click.UsageError(
                f"the app is for database {runtime.database!r}, not {database!r}"
            )
        return runtime
    if database is None:
        raise click.UsageError("name the database with -d, or the app with --app")
    return runtimes.of_database(database)


main.command("worker")(_tryton_options(_worker_options(_tryton_runtime(_run_worker))))
main.command("status")(_tryton_options(_tryton_runtime(_run_status)))
main.command("reap")(_tryton_options(_tryton_runtime(_run_reap)))
main.command("cancel")(_interrupt(_ids(_tryton_options(_tryton_runtime(_run_cancel)))))
main.command("retry")(_ids(_tryton_options(_tryton_runtime(_run_retry))))
main.command("pause")(_tryton_options(_pause_options(_tryton_runtime(_run_pause))))
main.command("resume")(_tryton_options(_queue_arguments(_tryton_runtime(_run_resume))))
main.command("identity")(
    _identity_options(_tryton_options(_tryton_runtime(_run_identity)))
)
