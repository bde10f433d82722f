"""``worker``: run tasks."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigurationError
from ..worker.options import (
    PROCESSES_MAX,
    THREADS,
    THREADS_MAX,
    THREADS_ON_SQLITE,
    WorkerOptions,
    http_address,
    queue_options,
)
from .groups import commands
from .logs import JSON, TEXT, log_to_stderr

if TYPE_CHECKING:
    from ..runtime import Runtime

logger = logging.getLogger(__name__)


@commands.command("worker")
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME[:THREADS]",
    help="Short name of a queue to work on, or '*' for all queues; repeatable. With "
    ":THREADS, the queue has threads of its own, and '*' means all queues not named. "
    "Default: the setting sqs_queue.",
)
@click.option(
    "--processes",
    default=WorkerOptions.processes,
    show_default=True,
    type=click.IntRange(1, PROCESSES_MAX),
    help="Processes that run tasks.",
)
@click.option(
    "--threads",
    default=None,
    show_default=f"{THREADS}, on SQLite {THREADS_ON_SQLITE}",
    type=click.IntRange(1, THREADS_MAX),
    help="Tasks at a time in each process.",
)
@click.option("--burst", is_flag=True, help="Exit when no task is left that is due.")
@click.option(
    "--cron",
    is_flag=True,
    help="Run what is due of Tryton's schedule (ir.cron) each minute, in "
    "place of trytond-cron.",
)
@click.option(
    "--grace",
    "grace_s",
    default=WorkerOptions.grace_s,
    show_default=True,
    type=click.FloatRange(0),
    help="Shutdown grace: seconds that running tasks may take to finish after SIGTERM.",
)
@click.option(
    "--max-tasks",
    default=WorkerOptions.max_tasks,
    type=click.IntRange(0),
    help="Recycle a process after that many tasks; 0 for never.",
)
@click.option(
    "--max-memory",
    "max_memory_mb",
    default=WorkerOptions.max_memory_mb,
    type=click.IntRange(0),
    metavar="MB",
    help="Recycle a process that has used that much memory; 0 for never.",
)
@click.option(
    "--stuck-after",
    "stuck_after_s",
    default=WorkerOptions.stuck_after_s,
    show_default=True,
    type=click.FloatRange(1),
    help="Report a process as stuck when it has not received for that many seconds.",
)
@click.option(
    "--give-up-after",
    "give_up_s",
    default=WorkerOptions.give_up_s,
    show_default=True,
    type=click.FloatRange(1),
    help="Exit with an error when a process has not received for that many seconds.",
)
@click.option(
    "--busy-after",
    "busy_after_s",
    default=WorkerOptions.busy_after_s,
    show_default=True,
    type=click.FloatRange(1),
    help="Report a process as busy when all its threads have run the same "
    "tasks for that many seconds.",
)
@click.option(
    "--health-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write `ok`, or what is wrong, to this file every few seconds.",
)
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve /health/live, /health/ready and /metrics there, as at 127.0.0.1:9100.",
)
@click.option(
    "--log-format",
    default=TEXT,
    show_default=True,
    type=click.Choice([TEXT, JSON]),
    help="Lines for people, or one JSON object a line.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log every task.")
def worker(
    runtime: Runtime,
    log_format: str,
    verbose: bool,
    queues: tuple[str, ...],
    threads: int | None,
    http: str | None,
    **options: Any,
) -> None:
    """Run tasks until Ctrl-C or SIGTERM."""
    from .. import versions
    from ..settings import require_key
    from ..worker.start import work

    if options["cron"] and options["burst"]:
        raise click.UsageError(
            "--cron goes on for ever, and --burst ends; `trytond-cron --once` runs "
            "what is due now"
        )
    require_key(runtime.settings)
    options |= queue_options(queues, threads)
    if http is not None:
        options["http"] = http_address(http)
    log_to_stderr(log_format, verbose)
    versions.check()
    _import(runtime.settings.imports)
    for name, value in runtime.settings.described().items():
        logger.info("setting %s = %s", name, value)
    if runtime.web_context is None:
        logger.warning(
            "no web app: tasks deferred by web requests are left for a worker that "
            "has it (--app, or `flask async worker`)"
        )
    sys.exit(work(runtime, WorkerOptions(**options)))


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"setting imports: {module} cannot be imported: {error}"
            ) from error
