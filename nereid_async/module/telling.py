"""What became of tasks on which an operator has acted, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trytond.i18n import gettext

#: Of so many tasks each one is named.
_NAMED_MAX = 20


@dataclass(frozen=True)
class Became:
    """What became of a task.

    :ivar outcome: such as ``runs_again``.
    :ivar waiting: id of the task that has its key, where that is why.
    """

    outcome: str
    waiting: str = ""


def told(found: Mapping[str, Became], names: Mapping[str, str]) -> str:
    """What became of each task.

    :param found: by task id.
    :param names: what to call each task, by id.
    """
    lines = [
        gettext(
            f"async_sqs.msg_{found[it].outcome}", task=name, waiting=found[it].waiting
        )
        for it, name in names.items()
        if len(names) <= _NAMED_MAX
    ]
    if len(names) > 1:
        lines = [counted(Counter(found[it].outcome for it in names)), "", *lines]
    return "\n".join(lines).strip()


def counted(outcomes: Counter[str]) -> str:
    """How many tasks there are of each outcome, the most frequent first."""
    return "\n".join(
        gettext(f"async_sqs.msg_count_{outcome}", count=count)
        for outcome, count in outcomes.most_common()
    )


def by_name(names: Counter[Any]) -> str:
    """How many tasks there are of each name, the most frequent first."""
    lines = [f"{name}: {count}" for name, count in names.most_common(_NAMED_MAX)]
    return "\n".join([*lines, "…"] if len(names) > _NAMED_MAX else lines)
