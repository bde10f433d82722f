"""``batches list``, ``batches show`` and ``batches cancel``: look at batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .groups import commands
from .loading import rows_of
from .output import (
    LAST_FIRST,
    coloured,
    echo_json,
    iso,
    json_option,
    limit_option,
    report,
    second,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rows import ListedBatch
    from ..runtime import Runtime

batch_commands = commands.group("batches", "Look at batches, and cancel them.")

_HEADINGS = (
    "ID",
    "NAME",
    "STATE",
    "DONE",
    "FAILED",
    "CANCELLED",
    "TOTAL",
    "DEFERRED (UTC)",
)
_COLOURS = {"running": "green", "cancelled": "yellow"}
_TIMES = ("deferred_at", "finished_at")
_LIMIT = 50


@batch_commands.command("list")
@click.option("--all", "with_ended", is_flag=True, help="Those that have ended, too.")
@limit_option(_LIMIT, LAST_FIRST)
@json_option
def list_batches(runtime: Runtime, with_ended: bool, limit: int, as_json: bool) -> None:
    """List the batches that have not ended, those deferred last first."""
    found = rows_of(runtime).listed_batches(limit, with_ended=with_ended)
    if as_json:
        echo_json([_json(it) for it in found])
        return
    click.echo(table(_HEADINGS, [_line(it) for it in found]))
    if not found:
        click.echo("there are no such batches", err=True)
    if len(found) == limit:
        click.echo(f"these are the last {limit}; more with --limit", err=True)


@batch_commands.command("show")
@click.argument("batch_id", metavar="ID")
@json_option
def show(runtime: Runtime, batch_id: str, as_json: bool) -> None:
    """Show a batch: how many of its members are left, and what became of the others.

    `tasks list --batch ID` lists the members themselves.
    """
    found = rows_of(runtime).listed_batches(1, with_ended=True, batch_id=batch_id)
    if not found:
        raise click.ClickException(f"{batch_id}: there is no such batch")
    told = _json(found[0])
    if as_json:
        echo_json(told)
        return
    for name, value in told.items():
        if value is not None:
            text = f"{second(value)} UTC" if name in _TIMES else str(value)
            colour = _COLOURS.get(text) if name == "state" else None
            click.echo(f"{name + ':':<13}{click.style(text, fg=colour)}")


@batch_commands.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--interrupt", is_flag=True, help="Interrupt runs that do not stop by themselves."
)
@json_option
def cancel(
    runtime: Runtime, ids: Sequence[str], interrupt: bool, as_json: bool
) -> None:
    """Cancel batches: what waits of them never runs, what runs is to stop."""
    from .. import cancelling

    rows = rows_of(runtime)
    outcomes = []
    for batch_id in ids:
        if not rows.listed_batches(1, with_ended=True, batch_id=batch_id):
            outcomes.append((batch_id, False, "there is no such batch"))
            continue
        found = cancelling.cancel(runtime, batch_id, interrupt=interrupt)
        if found is None or found.finished:
            outcomes.append((batch_id, False, f"is {found} already"))
        else:
            outcomes.append((batch_id, True, "is to end"))
    report(outcomes, as_json)


def _json(batch: ListedBatch) -> dict[str, Any]:
    told = batch._asdict()
    return told | {name: iso(told[name]) for name in _TIMES}


def _line(batch: ListedBatch) -> list[Any]:
    failed = coloured(str(batch.failed), "red" if batch.failed else None)
    return [
        batch.id,
        batch.name,
        coloured(batch.state, _COLOURS.get(batch.state)),
        batch.done,
        failed,
        batch.cancelled,
        batch.total,
        second(batch.deferred_at),
    ]
