"""``status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .groups import commands
from .loading import rows_of

if TYPE_CHECKING:
    from ..runtime import Runtime


@commands.command("status")
def status(runtime: Runtime) -> None:
    """Count the tasks by state, and by queue those that wait for a worker."""
    rows = rows_of(runtime)
    for state, count in rows.count_by_state().items():
        click.echo(f"{state}: {count}")
    for queue, count in rows.count_due_by_queue().items():
        click.echo(f"due in queue {queue}: {count}")
    for pause in rows.pauses():
        click.echo(str(pause))
