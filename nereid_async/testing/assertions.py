"""Assertions on captured calls, with texts that show the closest ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from .captured_call import CapturedCall
from .expectation import Expectation
from .texts import Difference, compared, listed, times

#: unittest leaves the frames of such modules out of tracebacks.
__unittest = True

#: How many calls are shown with their differences.
_SHOWN = 3


class Calls(Protocol):
    """What assertions are made on: a :class:`.capture.Capture`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[CapturedCall]: ...

    @property
    def rolled_back(self) -> list[CapturedCall]:
        """The calls that were rolled back with their transactions."""


def called(
    capture: Calls, task: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> CapturedCall:
    """Assert that there is such a call; see :meth:`.capture.Capture.assert_called`."""
    __tracebackhide__ = True
    expected = Expectation(task, args, keywords)
    found, others = _divided(capture, expected)
    if not found:
        raise AssertionError(_text(_not_called(capture, expected, others)))
    return found[0]


def call_count(
    capture: Calls,
    count: int,
    task: Any,
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> list[CapturedCall]:
    """Assert how many such calls there are.

    See :meth:`.capture.Capture.assert_call_count`.
    """
    __tracebackhide__ = True
    expected = Expectation(task, args, keywords)
    found, others = _divided(capture, expected)
    if len(found) != count:
        if not found:
            raise AssertionError(_text(_not_called(capture, expected, others)))
        raise AssertionError(_text(_miscounted(expected, count, found)))
    return found


def nothing_called(capture: Calls) -> None:
    """Assert that there is no call at all."""
    __tracebackhide__ = True
    if len(capture):
        raise AssertionError(
            _text(listed("something was deferred:", [repr(it) for it in capture]))
        )


Others = Sequence[tuple[CapturedCall, Sequence[Difference]]]


def _divided(
    capture: Calls, expected: Expectation
) -> tuple[list[CapturedCall], Others]:
    """The calls that are as expected, and the others of the task, closest first."""
    compared = [
        (call, expected.differences(call.record))
        for call in capture
        if expected.is_for(call.record)
    ]
    found = [call for call, differences in compared if not differences]
    others = [it for it in compared if it[1]]
    return found, sorted(others, key=lambda it: len(it[1]))


def _not_called(capture: Calls, expected: Expectation, others: Others) -> Iterator[str]:
    name = expected.target.name
    if others:
        yield f"{name} was deferred {times(len(others))}, but never like this:"
        yield f"  {expected}"
        yield "the closest first:" if len(others) > 1 else "but:"
        for number, (call, differences) in enumerate(others[:_SHOWN], 1):
            yield from compared(repr(call), differences, number)
        if len(others) > _SHOWN:
            yield f"  and {len(others) - _SHOWN} more"
    else:
        yield f"{name} was not deferred; expected:"
        yield f"  {expected}"
        rest = [repr(it) for it in capture]
        yield from listed("what was deferred:", rest) if rest else ["nothing was"]
    rolled_back = [repr(it) for it in capture.rolled_back if expected.is_for(it.record)]
    yield from listed("rolled back with its transaction:", rolled_back)


def _miscounted(
    expected: Expectation, count: int, found: Sequence[CapturedCall]
) -> Iterator[str]:
    wanted = times(count) if count else "not at all"
    title = (
        f"{expected.target.name} was deferred {times(len(found))} like this, expected "
        f"{wanted}:"
    )
    yield title
    yield f"  {expected}"
    yield from listed("the calls:", [repr(it) for it in found])


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines)
