"""Captured calls and their differences as text for people."""

from __future__ import annotations

import difflib
import pprint
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..texts import cut

_RECORD = re.compile(r"Pool\(\)\.get\('([\w.]+)'\)\((\d+)\)")
#: Width of a line of a value, in characters.
_WIDTH = 66
_IN_A_CALL_MAX_CHARS = 200
_VALUE_MAX_CHARS = 4_000


@dataclass(frozen=True)
class Difference:
    """What differs between a call and what is expected of it.

    :ivar what: name of the argument or option.
    :ivar is_there: whether the call has it.
    """

    what: str
    expected: Any
    found: Any
    is_there: bool = True

    def lines(self) -> list[str]:
        """The difference in lines."""
        if not self.is_there:
            return [f"{self.what}: expected {shown(self.expected)}, not given"]
        expected, found = _pretty(self.expected), _pretty(self.found)
        if len(expected) == 1 and len(found) == 1:
            return [f"{self.what}: expected {expected[0]}", _below(self.what, found[0])]
        compared = difflib.ndiff(expected, found)
        lines = [line for line in compared if not line.startswith("?")]
        return [f"{self.what} (- expected, + deferred):", *_indented(lines, "  ")]


def _below(what: str, found: str) -> str:
    return " " * len(what) + f"  deferred {found}"


def shown(value: Any) -> str:
    """A value in one line; a record as ``party.party(1)``."""
    return cut(_RECORD.sub(r"\1(\2)", repr(value)), _VALUE_MAX_CHARS)


def _pretty(value: Any) -> list[str]:
    text = pprint.pformat(value, width=_WIDTH, sort_dicts=False)
    return cut(_RECORD.sub(r"\1(\2)", text), _VALUE_MAX_CHARS).splitlines()


def call_text(
    task: str, instance: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    """A call in one line, as Python would write it."""
    values = [] if instance is None else [shown(instance)]
    values += [cut(shown(it), _IN_A_CALL_MAX_CHARS) for it in args]
    values += [
        f"{name}={cut(shown(it), _IN_A_CALL_MAX_CHARS)}" for name, it in kwargs.items()
    ]
    return f"{task}({', '.join(values)})"


def times(count: int) -> str:
    """How often."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def listed(title: str, lines: Sequence[Any], most: int = 10) -> Iterator[str]:
    """A title with lines below it; nothing if there are none."""
    if lines:
        yield title
        yield from _indented(list(map(str, lines[:most])), "  ")
        if len(lines) > most:
            yield f"  and {len(lines) - most} more"


def _indented(lines: Sequence[str], by: str) -> list[str]:
    return [f"{by}{line}" for line in lines]


def compared(
    call: Any, differences: Sequence[Difference], number: int
) -> Iterator[str]:
    """A call, and below it what differs."""
    yield f"  {number}. {call}"
    for difference in differences:
        yield from _indented(difference.lines(), "     ")
