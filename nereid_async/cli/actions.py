"""``retry``, ``cancel`` and ``discard``: act on tasks that are named or chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from .groups import commands
from .loading import rows_of
from .output import json_option, report
from .selecting import choosing, filter_options, selection_of, state_option
from .tasks import task_commands

if TYPE_CHECKING:
    from ..rows import TaskRows
    from ..runtime import Runtime

#: Acts on tasks; tells of each whether that was done, and what became of it.
_Act: TypeAlias = "Callable[[Sequence[str]], Iterator[tuple[str, bool, str]]]"

#: Tasks on which it acts at a time.
_BATCH = 500
#: Dead letters of a queue that are looked at for those of some tasks.
_FEW_LETTERS = 100
_UNKNOWN = "there is no such task"
_A_BATCH = "is a batch; --batch chooses its members"
_WAITING_OR_RUNNING = ("pending", "sent", "running")
_OVER = ("failed", "cancelled")
#: The arguments and options of a command that acts on tasks.
_chosen = choosing(
    click.option("--all", "all_tasks", is_flag=True, help="All that may be."),
    state_option,
    filter_options,
)


@commands.command("retry")
@task_commands.command("retry")
@_chosen
@json_option
def retry(runtime: Runtime, **options: Any) -> None:
    """Let failed and cancelled tasks run again."""
    from .. import retrying

    rows = rows_of(runtime)

    def act(ids: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
        with _letters_forgotten(runtime, ids):
            again = retrying.retry(runtime, ids)
            waiting = retrying.key_waits(runtime, ids)
            return _told(rows, ids, again, "runs again", waiting)

    _run("Retry", rows, act, _OVER, **options)


@commands.command("cancel")
@task_commands.command("cancel")
@_chosen
@json_option
@click.option(
    "--interrupt", is_flag=True, help="Interrupt a run that does not stop by itself."
)
def cancel(runtime: Runtime, interrupt: bool, **options: Any) -> None:
    """Cancel tasks: what waits never runs, what runs is to stop."""
    from .. import cancelling

    def act(ids: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
        for task_id in ids:
            found = cancelling.cancel(runtime, task_id, interrupt=interrupt)
            if found is None:
                yield task_id, False, _UNKNOWN
            elif found.waiting:
                yield task_id, True, f"cancelled, it was {found.value}"
            elif found.finished:
                yield task_id, False, f"is {found.value} already"
            else:
                yield task_id, True, "runs, and is to stop"

    _run("Cancel", rows_of(runtime), act, _WAITING_OR_RUNNING, **options)


@task_commands.command("discard")
@_chosen
@json_option
def discard(runtime: Runtime, **options: Any) -> None:
    """Delete failed and cancelled tasks for good, with their errors."""
    from .. import retrying

    rows = rows_of(runtime)

    def act(ids: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
        with _letters_forgotten(runtime, ids):
            return _told(rows, ids, retrying.discard(runtime, ids), "discarded")

    _run("Discard", rows, act, _OVER, **options)


@contextmanager
def _letters_forgotten(runtime: Runtime, ids: Sequence[str]) -> Iterator[None]:
    """Delete the dead letters of tasks on which the context has acted.

    Only where a queue has few: SQS finds none by its id. Those that stay have no effect
    any more, and are removed by the next look at the dead letters.
    """
    from ..dead_letters import DeadLetters
    from ..errors import NereidAsyncError

    rows = rows_of(runtime)
    tasks = rows.listed(selection_of(ids=tuple(ids)), None)
    yield
    with suppress(NereidAsyncError), DeadLetters(runtime) as letters:
        stay = rows.have_keys_of(ids)
        over = [it for it in tasks if it.state == "failed" and it.id not in stay]
        for queue in sorted({it.queue for it in over}):
            if letters.count(queue) <= _FEW_LETTERS:
                letters.forget(queue, {it.id for it in over})


def _told(
    rows: TaskRows,
    ids: Sequence[str],
    done: Sequence[str],
    text: str,
    waiting: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[str, bool, str]]:
    """What became of each task: ``text`` for those that are done.

    :param waiting: tasks that have the keys of others, by the ids of those.
    """
    for task_id in ids:
        if task_id in done:
            yield task_id, True, text
        elif task_id in waiting:
            yield task_id, False, f"stays, since task {waiting[task_id]} has its key"
        elif (status := rows.status(task_id)) is None:
            yield task_id, False, _UNKNOWN
        elif status.of_batch:
            yield task_id, False, _A_BATCH
        else:
            yield task_id, False, "has neither failed nor been cancelled"


def _run(
    verb: str,
    rows: TaskRows,
    act: _Act,
    suitable: tuple[str, ...],
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Act on the chosen tasks, and end with exit code 1 if one was left as it was."""
    ids = _ids(verb, rows, suitable, **options)
    batches = (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))
    report(chain.from_iterable(map(act, batches)), as_json)


def _ids(
    verb: str,
    rows: TaskRows,
    suitable: tuple[str, ...],
    *,
    ids: tuple[str, ...],
    all_tasks: bool,
    yes: bool,
    limit: int | None,
    states: tuple[str, ...],
    **filters: Any,
) -> Sequence[str]:
    """The ids of the chosen tasks; asks if they were not named."""
    filtered = bool(states) or any(it is not None for it in filters.values())
    if ids:
        if filtered or all_tasks:
            raise click.UsageError("name tasks by their ids, or choose them by options")
        return list(dict.fromkeys(ids))
    if not filtered and not all_tasks:
        raise click.UsageError(
            "name tasks by their ids, or choose them with --task, --queue, --key, "
            "--group, --batch, --state, --since or --all"
        )
    states = tuple(it for it in states or suitable if it in suitable)
    if not states:
        raise click.UsageError(f"--state: it is for {', '.join(suitable)}")
    found = rows.listed(selection_of(states=states, **filters), limit)
    if len(found) > 1 and not yes:
        click.confirm(f"{verb} {len(found)} tasks?", abort=True, err=True)
    return [it.id for it in found]
