"""``status``: what is in the queues."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

import click

from ..queue_selection import ALL_QUEUES
from ..wakeup import on_signals
from .groups import commands
from .loading import rows_of
from .output import echo_json, json_option, table

if TYPE_CHECKING:
    from ..rows import Pause, QueueOverview, TaskRows
    from ..runtime import Runtime

_HEADINGS = (
    "QUEUE",
    "DUE",
    "SCHEDULED",
    "RUNNING",
    "FAILED",
    "OLDEST (s)",
    "WORKERS",
    "PAUSED",
)


@commands.command("status")
@json_option
@click.option(
    "--watch",
    "watch_s",
    type=click.FloatRange(0.1),
    metavar="SECONDS",
    help="Show it again each time so many seconds have passed, until Ctrl-C.",
)
def status(runtime: Runtime, as_json: bool, watch_s: float | None) -> None:
    """Show what waits, runs and has failed in each queue."""
    rows = rows_of(runtime)
    if watch_s is None:
        _show(runtime, rows, as_json)
        return
    interrupts = 0

    def on_interrupt(signum: int, frame: FrameType | None) -> None:
        # Not in the middle of a statement, unless that takes too long for the user.
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt

    with on_signals({signal.SIGINT: on_interrupt}) as interrupted:
        while not interrupts:
            if sys.stdout.isatty():
                click.clear()
            _show(runtime, rows, as_json)
            sys.stdout.flush()
            interrupted.wait(watch_s)


def _show(runtime: Runtime, rows: TaskRows, as_json: bool) -> None:
    queues, pauses = rows.overview(), rows.pauses()
    if as_json:
        paused = {it.queue for it in pauses}
        echo_json(
            {
                "database": runtime.database,
                "broker": runtime.settings.broker,
                "queues": [
                    {**it._asdict(), "paused": not paused.isdisjoint(_names(it))}
                    for it in queues
                ],
                "pauses": [vars(it) for it in pauses],
            }
        )
        return
    click.echo(table(_HEADINGS, [_line(it, pauses) for it in queues]))
    for pause in pauses:
        click.secho(str(pause), fg="yellow")


def _line(it: QueueOverview, pauses: list[Pause]) -> list[object]:
    oldest_s = None if it.oldest_due_s is None else round(it.oldest_due_s)
    paused = any(pause.queue in _names(it) for pause in pauses)
    counts = it.due, it.scheduled, it.running, it.failed
    return [it.queue, *counts, oldest_s, it.workers, "yes" if paused else "no"]


def _names(it: QueueOverview) -> tuple[str, str]:
    """The names by which the queue may be paused."""
    return it.queue, ALL_QUEUES
