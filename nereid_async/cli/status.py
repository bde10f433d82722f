"""``status`` and ``queues``: what is in the queues."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

import click

from ..errors import DatabaseUnavailable
from ..queue_selection import ALL_QUEUES, is_ordered
from ..wakeup import on_signals
from .groups import commands
from .loading import rows_of
from .output import coloured, echo_json, iso, json_option, table
from .workers import as_json_value, summary

if TYPE_CHECKING:
    from ..rows import Pause, QueueOverview, TaskRows
    from ..runtime import Runtime

_COUNTS = (
    "QUEUE",
    "DUE",
    "SCHEDULED",
    "RUNNING",
    "FAILED",
    "OLDEST (s)",
    "RATE (/min)",
    "WORKERS",
    "PAUSED",
)
#: Of ``queues`` only.
_MORE = ("SINCE (UTC)", "BY", "ORDERED")


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
                now = time.strftime("%H:%M:%S")
                text = f"{runtime.database}, broker {runtime.settings.broker}, {now}"
                click.secho(f"{text}; Ctrl-C ends\n", dim=True)
            try:
                _show(runtime, rows, as_json)
            except DatabaseUnavailable as error:
                # It comes back: that is what somebody watches for.
                click.secho(f"Error: {error}", fg="red", err=True)
            sys.stdout.flush()
            interrupted.wait(watch_s)


def _show(runtime: Runtime, rows: TaskRows, as_json: bool) -> None:
    queues, pauses, workers = rows.overview(), rows.pauses(), rows.workers()
    batches = rows.open_batches()
    if as_json:
        echo_json(
            {
                "database": runtime.database,
                "broker": runtime.settings.broker,
                "queues": [
                    {**_counts(it), "paused": _pause_of(it, pauses) is not None}
                    for it in queues
                ],
                "pauses": [{**vars(it), "since": iso(it.since)} for it in pauses],
                "batches": {
                    "open": batches.number,
                    "oldest_s": round(batches.oldest_s, 1),
                },
                "workers": [as_json_value(it) for it in workers],
            }
        )
        return
    click.echo(table(_COUNTS, [_line(it, pauses) for it in queues]))
    click.echo(summary(workers))
    if batches.number:
        oldest_s = round(batches.oldest_s)
        click.echo(f"{batches.number} open batch(es), the oldest for {oldest_s} s")
    for pause in pauses:
        click.secho(str(pause), fg="yellow")


@commands.command("queues")
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
@json_option
def queues(runtime: Runtime, names: tuple[str, ...], as_json: bool) -> None:
    """Show queues as `status` does, and who has paused them, when."""
    from ..rows import QueueOverview

    rows = rows_of(runtime)
    pauses = rows.pauses()
    found = {it.queue: it for it in rows.overview() if not names or it.queue in names}
    missing = [it for it in names if it not in found]
    unknown = rows.unknown_queues(missing)
    # What is known is empty.
    found |= {it: QueueOverview(it) for it in missing if it not in unknown}
    if as_json:
        echo_json([_json(it, _pause_of(it, pauses)) for it in found.values()])
    else:
        _print(list(found.values()), pauses)
    if unknown:
        raise click.ClickException(f"there is no such queue: {', '.join(unknown)}")


def _print(found: list[QueueOverview], pauses: list[Pause]) -> None:
    lines = []
    for it in found:
        pause = _pause_of(it, pauses)
        told = (None, None) if pause is None else (pause.since, pause.by)
        ordered = "yes" if is_ordered(it.queue) else "no"
        lines.append([*_line(it, pauses), *told, ordered])
    click.echo(table((*_COUNTS, *_MORE), lines))


def _json(it: QueueOverview, pause: Pause | None) -> dict[str, object]:
    since, by = (None, None) if pause is None else (iso(pause.since), pause.by)
    return {
        **_counts(it),
        "paused": pause is not None,
        "paused_since": since,
        "paused_by": by,
        "ordered": is_ordered(it.queue),
    }


def _counts(it: QueueOverview) -> dict[str, object]:
    oldest_s = None if it.oldest_due_s is None else round(it.oldest_due_s, 1)
    rate = round(it.rate_per_min, 1)
    return {**it._asdict(), "oldest_due_s": oldest_s, "rate_per_min": rate}


def _line(it: QueueOverview, pauses: list[Pause]) -> list[object]:
    oldest_s = None if it.oldest_due_s is None else round(it.oldest_due_s)
    paused = _pause_of(it, pauses) is not None
    # Work that nobody does, unless that is wanted.
    forgotten = bool(it.due) and not it.workers and not paused
    return [
        it.queue,
        it.due,
        it.scheduled,
        it.running,
        coloured(it.failed, "red" if it.failed else None),
        coloured(oldest_s, "red" if forgotten else None),
        round(it.rate_per_min, 1),
        coloured(it.workers, "red" if forgotten else None),
        coloured("yes", "yellow") if paused else "no",
    ]


def _pause_of(it: QueueOverview, pauses: list[Pause]) -> Pause | None:
    """The pause of a queue, or else that of all queues; None if there is none."""
    by_name = {pause.queue: pause for pause in pauses}
    return by_name.get(it.queue) or by_name.get(ALL_QUEUES)
