"""``pause`` and ``resume``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..queue_selection import ALL_QUEUES
from .groups import commands
from .loading import rows_of
from .output import echo_json, json_option

if TYPE_CHECKING:
    from ..rows import TaskRows
    from ..runtime import Runtime


def _queue_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    every = click.option(
        "--all",
        "all_queues",
        is_flag=True,
        help="All queues, also those that appear later.",
    )
    return click.argument("queues", nargs=-1, metavar="[QUEUE]...")(every(command))


def _rows_of_queues(
    runtime: Runtime, queues: tuple[str, ...], all_queues: bool
) -> tuple[TaskRows, tuple[str, ...]]:
    """The rows of the database, and the names of the queues to pause or resume."""
    from ..sqs.queue_names import checked_queue

    if all_queues == bool(queues):
        raise click.UsageError("name queues, or all of them with --all")
    for queue in queues:
        checked_queue(queue)
    return rows_of(runtime), queues or (ALL_QUEUES,)


@commands.command("pause")
@_queue_arguments
@click.option(
    "--wait", is_flag=True, help="Return when none of their tasks runs any more."
)
@click.option(
    "--timeout",
    "timeout_s",
    default=None,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="With --wait: exit with an error after that many seconds.",
)
@json_option
def pause(
    runtime: Runtime,
    queues: tuple[str, ...],
    all_queues: bool,
    wait: bool,
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Let workers take nothing more from queues.

    Workers notice within two seconds. What runs finishes; --wait waits for it.
    """
    from ..pausing import described, wait_until_idle

    if timeout_s is not None and not wait:
        raise click.UsageError("--timeout goes with --wait")
    rows, queues = _rows_of_queues(runtime, queues, all_queues)
    for queue in rows.unknown_queues(queues):
        click.echo(f"queue {queue}: no task was ever deferred to it", err=True)
    changed = {queue: rows.pause(queue) for queue in queues}
    if as_json:
        _echo_json(changed, paused=True)
    else:
        for queue, new in changed.items():
            already = "" if new else ", and was before"
            click.echo(f"{described(queue)}: paused{already}")
    if not wait:
        return
    running = wait_until_idle(
        rows,
        queues,
        timeout_s,
        lambda task: click.echo(f"waits for {task}", err=as_json),
    )
    if running:
        raise click.ClickException(
            f"{len(running)} task(s) still run after {timeout_s:g} s; new ones do not "
            "start, the pause holds"
        )
    click.echo("nothing runs any more", err=as_json)


def _echo_json(changed: Mapping[str, bool], *, paused: bool) -> None:
    """Print each queue, whether it is paused now, and whether that is new."""
    echo_json(
        [{"queue": it, "paused": paused, "changed": new} for it, new in changed.items()]
    )


@commands.command("resume")
@_queue_arguments
@json_option
def resume(
    runtime: Runtime, queues: tuple[str, ...], all_queues: bool, as_json: bool
) -> None:
    """Let workers go on with paused queues.

    They notice within two seconds.
    """
    from ..pausing import described

    rows, queues = _rows_of_queues(runtime, queues, all_queues)
    changed = {queue: rows.resume(queue) for queue in queues}
    if as_json:
        _echo_json(changed, paused=False)
        return
    for queue, new in changed.items():
        text = "resumed" if new else "was not paused"
        click.echo(f"{described(queue)}: {text}")
    for pause in rows.pauses():
        click.echo(str(pause))
