"""Options that choose tasks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..rows import Selection

_Command = TypeVar("_Command", bound=Callable[..., Any])

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
#: As in :class:`.messages.outcome.State`, which imports trytond.
_STATES = ("pending", "sent", "running", "done", "failed", "cancelled")


class Since(click.ParamType):  # type: ignore[type-arg]
    """An age as ``2h``, or a date or time in UTC; seconds before now."""

    name = "since"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        if found := _AGE.fullmatch(value):
            return float(found[1]) * _UNITS_S[found[2]]
        try:
            at = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither an age, as 90s, 30m, 2h or 7d, nor a date or a "
                "time in UTC",
                param,
                ctx,
            )
        at = at if at.tzinfo else at.replace(tzinfo=dt.timezone.utc)
        return (dt.datetime.now(dt.timezone.utc) - at).total_seconds()


_OPTIONS = (
    click.option(
        "--since",
        "since_s",
        type=Since(),
        metavar="AGE|TIME",
        help="Finished, or else deferred, since then: 90s, 30m, 2h, 7d, or a date or "
        "time in UTC.",
    ),
    click.option("--batch", metavar="ID", help="Members of this batch."),
    click.option("--queue", metavar="NAME", help="Of this queue."),
    click.option("--key", metavar="TEXT", help="Of unique tasks with this key."),
    click.option("--group", metavar="TEXT", help="Of this group."),
    click.option("--task", metavar="NAME", help="Of this method or function."),
)
_state_option = click.option(
    "--state", "states", multiple=True, type=click.Choice(_STATES), help="Repeatable."
)


def filter_options(command: _Command) -> _Command:
    """The options by which tasks are chosen, besides their state."""
    for option in _OPTIONS:
        command = option(command)
    return command


def state_option(command: _Command) -> _Command:
    """The option ``--state``, as the parameter ``states``."""
    return _state_option(command)


def choosing(*own: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """The options of a command that acts on what is named, or chosen by options.

    :param own: the options by which it chooses.
    """

    def decorate(command: _Command) -> _Command:
        for option in (
            click.option("--yes", is_flag=True, help="Do not ask."),
            click.option("--limit", type=click.IntRange(1), help="So many at most."),
            *own,
            click.argument("ids", nargs=-1, metavar="[ID]..."),
        ):
            command = option(command)
        return command

    return decorate


def selection_of(
    ids: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
    **filters: Any,
) -> Selection:
    """The selection that the options make.

    :param filters: task, queue, key, group, batch and since_s.
    """
    from ..messages.outcome import State
    from ..rows import Selection

    return Selection(ids, states=tuple(map(State, states)), **filters)
