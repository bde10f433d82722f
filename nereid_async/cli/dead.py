"""``dead list|replay|discard``: what no worker runs any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from ..texts import cut, joined
from .groups import commands
from .output import (
    coloured,
    echo_json,
    iso,
    json_option,
    limit_option,
    report,
    second,
    table,
)
from .selecting import choosing

if TYPE_CHECKING:
    from ..dead_letters import DeadLetters, Letter, Told
    from ..runtime import Runtime

_Act: TypeAlias = "Callable[[Sequence[Letter]], Iterator[Told]]"

dead_commands = commands.group(
    "dead", "Look at dead letters, and run them again or discard them."
)

_HEADINGS = ("ID", "TASK", "QUEUE", "SINCE (UTC)", "ATTEMPTS", "REASON")
_LIMIT = 50
_REASON_MAX_CHARS = 60
#: Letters that are settled at a time: SQS hides them for two minutes.
_BATCH = 100

_queue = click.option("--queue", metavar="NAME", help="Of this queue; default: of all.")


@dead_commands.command("list")
@_queue
@limit_option(_LIMIT)
@json_option
def list_dead(runtime: Runtime, queue: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, and why they are dead.

    Amazon SQS shows them in any order, and hides them from others meanwhile. Letters of
    tasks that have run since, or are to, are removed.
    """
    with _letters(runtime) as letters:
        found = sorted(
            islice(letters.find(queue), limit),
            key=lambda it: str(it.since),
            reverse=True,
        )
        removed = letters.removed
    if as_json:
        echo_json([_json(it) for it in found])
    else:
        click.echo(table(_HEADINGS, [_line(it) for it in found]))
        if not found:
            click.echo("there are no dead letters", err=True)
    if removed:
        text = f"removed {removed} letter(s) of tasks that have run since, or are to"
        click.echo(text, err=True)
    if len(found) == limit:
        click.echo(f"these are {limit}; more with --limit", err=True)


def _json(letter: Letter) -> dict[str, Any]:
    names = ("id", "task", "queue", "reason", "since", "attempts", "obstacle")
    return {name: getattr(letter, name) for name in names} | {
        "since": iso(letter.since)
    }


def _line(letter: Letter) -> list[Any]:
    reason = joined(letter.reason)
    if letter.obstacle is not None:
        reason = f"{letter.obstacle}: {reason}"
    shown = cut(reason, _REASON_MAX_CHARS)
    cells = [
        letter.id,
        letter.task,
        letter.queue,
        second(letter.since),
        letter.attempts,
    ]
    return [*cells, coloured(shown, "red")]


_chosen = choosing(
    click.option("--all", "all_letters", is_flag=True, help="Those of all queues."),
    click.option("--queue", metavar="NAME", help="Those of this queue."),
)


@dead_commands.command("replay")
@_chosen
@json_option
def replay(runtime: Runtime, **options: Any) -> None:
    """Let dead letters run again, from their first attempt."""
    with _letters(runtime) as letters:
        _run("Replay", letters, letters.replay, **options)


@dead_commands.command("discard")
@_chosen
@json_option
def discard(runtime: Runtime, **options: Any) -> None:
    """Delete dead letters for good, with the failed tasks that they are of."""
    with _letters(runtime) as letters:
        _run("Discard", letters, letters.discard, **options)


def _letters(runtime: Runtime) -> DeadLetters:
    from ..dead_letters import DeadLetters
    from ..settings import require_key

    if runtime.settings.broker == "sqs":
        # Else every letter would be one that cannot be read.
        require_key(runtime.settings)
    if runtime.rows is not None:
        runtime.load_pool()
    return DeadLetters(runtime)


def _run(
    verb: str,
    letters: DeadLetters,
    act: _Act,
    *,
    ids: tuple[str, ...],
    queue: str | None,
    all_letters: bool,
    limit: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Act on the chosen letters; asks if they were not named."""
    if bool(ids) + (queue is not None) + all_letters != 1:
        raise click.UsageError("name letters by their ids, or choose --queue or --all")
    if not ids and not yes:
        # Before they are hidden: an answer may take long.
        number = letters.count(queue)
        if limit is not None:
            number = min(number, limit)
        if number > 1:
            click.confirm(f"{verb} {number} dead letters?", abort=True, err=True)
        # SQS's number may be too small: no more than the answer was about.
        limit = max(number, 1)
    found = islice(letters.find(queue, ids), limit)
    report(_told(found, act, ids), as_json)


def _told(found: Iterator[Letter], act: _Act, ids: Sequence[str]) -> Iterator[Told]:
    missing = dict.fromkeys(ids)
    while batch := list(islice(found, _BATCH)):
        for told in act(batch):
            missing.pop(told[0], None)
            yield told
    for letter_id in missing:
        yield letter_id, False, "there is no such dead letter"
