"""``reap`` and ``identity``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .groups import commands

if TYPE_CHECKING:
    from ..runtime import Runtime


@commands.command("reap")
def reap(runtime: Runtime) -> None:
    """Remove old rows, results and forgotten reply queues."""
    from ..worker.maintenance import reaper

    if runtime.rows is not None:
        runtime.load_pool()
    click.echo(f"removed: {reaper.reap(runtime)}")


@commands.command("identity")
@click.option(
    "--renew", is_flag=True, help="Give the database, a copy, a new identity."
)
@click.option(
    "--drop-waiting",
    is_flag=True,
    help="With --renew: delete the tasks that have not run.",
)
def identity(runtime: Runtime, renew: bool, drop_waiting: bool) -> None:
    """Show the identity of the database, which no copy should share.

    A copy needs a new identity before any process of it starts: --renew.
    """
    if drop_waiting and not renew:
        raise click.UsageError("--drop-waiting goes with --renew")
    if renew:
        from ..settings import require_key

        require_key(runtime.settings)
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
