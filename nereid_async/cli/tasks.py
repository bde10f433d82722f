"""``cancel`` and ``retry``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .groups import commands
from .loading import rows_of

if TYPE_CHECKING:
    from ..runtime import Runtime

_ids = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@commands.command("cancel")
@_ids
@click.option(
    "--interrupt", is_flag=True, help="Interrupt a run that does not stop by itself."
)
def cancel(runtime: Runtime, ids: tuple[str, ...], interrupt: bool) -> None:
    """Cancel tasks: what waits never runs, what runs is asked to stop."""
    from .. import cancelling
    from ..messages.outcome import State

    rows_of(runtime)
    for task_id in ids:
        found = cancelling.cancel(runtime, task_id, interrupt=interrupt)
        if found is None:
            click.echo(f"{task_id}: there is no such task")
        elif found.waiting:
            click.echo(f"{task_id}: cancelled, it was {found.value}")
        elif found is State.RUNNING:
            click.echo(f"{task_id}: runs, and is to stop")
        else:
            click.echo(f"{task_id}: is {found.value} already")


@commands.command("retry")
@_ids
def retry(runtime: Runtime, ids: tuple[str, ...]) -> None:
    """Let failed and cancelled tasks run again."""
    from .. import retrying

    rows = rows_of(runtime)
    again = retrying.retry(runtime, ids)
    for task_id in ids:
        if task_id in again:
            click.echo(f"{task_id}: again")
        elif rows.status(task_id) is None:
            click.echo(f"{task_id}: there is no such task")
        else:
            click.echo(f"{task_id}: has neither failed nor been cancelled")
