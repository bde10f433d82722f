"""``workers``: which worker processes there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .groups import commands
from .output import echo_json, iso, json_option, table

if TYPE_CHECKING:
    from ..rows import ListedWorker
    from ..runtime import Runtime

_HEADINGS = (
    "HOST",
    "PID",
    "QUEUES",
    "BUSY",
    "THREADS",
    "STATE",
    "HEARTBEAT (s)",
    "STARTED (UTC)",
    "VERSION",
)


@commands.command("workers")
@json_option
def workers(runtime: Runtime, as_json: bool) -> None:
    """Show the worker processes, their queues and whether they live."""
    # Imported late, as all that imports trytond.
    from ..rows.workers import WorkerRows

    runtime.load_pool()
    found = WorkerRows(runtime.database).workers()
    if as_json:
        echo_json([as_json_value(it) for it in found])
    else:
        click.echo(table(_HEADINGS, [_line(it) for it in found]))
        if not found:
            click.echo("no worker runs", err=True)


def as_json_value(it: ListedWorker) -> dict[str, object]:
    """What ``--json`` tells of a process."""
    times = {name: iso(getattr(it, name)) for name in ("started_at", "heartbeat_at")}
    return {**it._asdict(), **times, "silent_s": round(it.silent_s, 1)}


def _line(it: ListedWorker) -> list[object]:
    threads = it.busy, it.threads
    queues, silent_s = ", ".join(it.queues), round(it.silent_s)
    return [
        it.host,
        it.pid,
        queues,
        *threads,
        it.state,
        silent_s,
        it.started_at,
        it.version,
    ]


def summary(found: list[ListedWorker]) -> str:
    """One line on all processes."""
    states = [it.state for it in found]
    told = [f"{states.count(it)} {it}" for it in dict.fromkeys(sorted(states))]
    alive = [it for it in found if it.state != "lost"]
    busy, threads = sum(it.busy for it in alive), sum(it.threads for it in alive)
    counts = f" ({', '.join(told)}), {busy} of {threads} threads busy" if found else ""
    return f"{len(found)} worker process(es){counts}"
