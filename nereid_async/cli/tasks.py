"""``tasks list``, ``tasks show`` and ``failed``: look for tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ..texts import cut, joined
from .groups import commands
from .loading import rows_of
from .output import (
    LAST_FIRST,
    coloured,
    echo_json,
    iso,
    json_option,
    limit_option,
    moment,
    second,
    table,
)
from .selecting import filter_options, selection_of, state_option

if TYPE_CHECKING:
    from ..rows import ListedTask, Selection, TaskRows
    from ..runtime import Runtime

task_commands = commands.group("tasks", "Look at tasks, and act on them.")

_HEADINGS = ("ID", "TASK", "QUEUE", "STATE", "ATTEMPTS", "DUE (UTC)", "ERROR")
#: Of tasks that have finished it tells when.
_FAILED_HEADINGS = (*_HEADINGS[:-2], "FINISHED (UTC)", "ERROR")
#: What is a time.
_TIMES = ("deferred_at", "due_at", "started_at", "finished_at")
_COLOURS = {"failed": "red", "running": "green", "cancelled": "yellow"}
_PROGRESS = ("progress_done", "progress_total", "progress_message")
_LIMIT = 50
_ERROR_MAX_CHARS = 60

_limit = limit_option(_LIMIT, LAST_FIRST)


@task_commands.command("list")
@filter_options
@state_option
@_limit
@json_option
def list_tasks(
    runtime: Runtime,
    states: tuple[str, ...],
    limit: int,
    as_json: bool,
    **filters: Any,
) -> None:
    """List tasks, those deferred last first."""
    _list(rows_of(runtime), selection_of(states=states, **filters), limit, as_json)


@commands.command("failed")
@filter_options
@_limit
@json_option
def failed(runtime: Runtime, limit: int, as_json: bool, **filters: Any) -> None:
    """List failed tasks: `tasks list --state failed`."""
    selection = selection_of(states=("failed",), **filters)
    _list(rows_of(runtime), selection, limit, as_json)


def _list(rows: TaskRows, selection: Selection, limit: int, as_json: bool) -> None:
    found = rows.listed(selection, limit)
    if as_json:
        echo_json([_json(it) for it in found])
        return
    ended = {it.value for it in selection.states} == {"failed"}
    lines = [_line(it, it.finished_at if ended else it.due_at) for it in found]
    click.echo(table(_FAILED_HEADINGS if ended else _HEADINGS, lines))
    if not found:
        click.echo("there are no such tasks", err=True)
    if len(found) == limit:
        click.echo(f"these are the last {limit}; more with --limit", err=True)


def _json(task: ListedTask) -> dict[str, Any]:
    told = task._asdict()
    progress = {
        name.partition("_")[2]: told.pop(name) for name in _PROGRESS if name in told
    }
    some = any(it is not None for it in progress.values())
    told |= {name: iso(told[name]) for name in _TIMES}
    return {**told, "progress": progress if some else None, "error": _error(task)}


def _error(task: ListedTask) -> dict[str, Any] | None:
    return None if task.error is None else json.loads(task.error)


def _line(task: ListedTask, at: Any) -> list[Any]:
    error = _error(task)
    text = "" if error is None else f"{error.get('type')}: {error.get('message')}"
    error_text = cut(joined(text), _ERROR_MAX_CHARS)
    state = coloured(task.state, _COLOURS.get(task.state))
    error_cell = coloured(error_text, "red" if error_text else None)
    return [task.id, task.task, task.queue, state, task.attempt, second(at), error_cell]


@task_commands.command("show")
@click.argument("task_id", metavar="ID")
@json_option
def show(runtime: Runtime, task_id: str, as_json: bool) -> None:
    """Show a task: its call, its times, and what became of its attempts."""
    rows = rows_of(runtime)
    found = rows.listed(selection_of(ids=(task_id,)), 1)
    if not found:
        raise click.ClickException(f"{task_id}: {_missing(rows, task_id)}")
    (task,) = found
    told = {**_json(task), "call": _call(runtime, rows, task)}
    attempts = [
        {
            "attempt": it.attempt,
            "counted": it.counted,
            "failed_at": iso(it.failed_at),
            "worker": it.worker,
            "error": it.failure.as_json(),
            "traceback": it.failure.traceback,
        }
        for it in rows.attempts(task_id)
    ]
    if as_json:
        echo_json({**told, "attempts": attempts})
    else:
        _show(told, attempts)


def _missing(rows: TaskRows, task_id: str) -> str:
    if rows.batch_status(task_id) is None:
        return "there is no such task"
    return "is a batch; see `batches show`, and `tasks list --batch` for its members"


def _call(runtime: Runtime, rows: TaskRows, task: ListedTask) -> str:
    from ..errors import NereidAsyncError
    from ..messages.readable import call_text

    try:
        message = runtime.codec.decode(rows.text_of(task.id) or "")
    except NereidAsyncError as error:
        return f"{task.task}(…): cannot be read here: {error}"
    instance = message.target.instance
    name = task.task if instance is None else f"{task.task}[{instance}]"
    return call_text(name, message.args, message.kwargs)


def _show(told: dict[str, Any], attempts: list[dict[str, Any]]) -> None:
    error = told.pop("error")
    took = _took(told)
    told["progress"] = _progress(told["progress"])
    for name, value in {**told, **took}.items():
        if value is not None:
            text = f"{second(value)} UTC" if name in _TIMES else value
            colour = _COLOURS.get(value) if name == "state" else None
            click.echo(f"{name + ':':<13}{click.style(text, fg=colour)}")
    if error is not None:
        click.echo(f"error:       {error.get('type')}: {error.get('message')}")
    for it in attempts:
        counted = "" if it["counted"] else ", not counted"
        click.secho(
            f"\nattempt {it['attempt']}{counted}, failed {second(it['failed_at'])} UTC "
            f"on {it['worker'] or 'no worker'}, error {it['error']['id']}",
            bold=True,
        )
        text = it["traceback"] or f"{it['error']['type']}: {it['error']['message']}"
        click.echo(text.rstrip())


def _progress(told: dict[str, Any] | None) -> str | None:
    if told is None:
        return None
    done, total = told["done"], told["total"]
    share = f"{done / total:.0%}" if done is not None and total else None
    return ", ".join(it for it in (share, told["message"]) if it)


def _took(told: dict[str, Any]) -> dict[str, str]:
    """How long it has waited for its latest attempt, and how long that ran."""
    due, started, finished = (
        moment(told[it]) for it in ("due_at", "started_at", "finished_at")
    )
    took = {}
    if due and started and started >= due:
        took["waited"] = f"{(started - due).total_seconds():.3f} s"
    if started and finished and finished >= started:
        took["ran"] = f"{(finished - started).total_seconds():.3f} s"
    return took
