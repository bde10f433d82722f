"""Checks of values, so that nothing of them is lost silently in serialisation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ..errors import SerializationError
from ..texts import cut

#: Python's default limit of int-to-text conversion (sys.set_int_max_str_digits).
MAX_INT_DIGITS = 4_300
_INT_LIMIT = 10**MAX_INT_DIGITS
#: Longest key in an error's text, in characters.
_KEY_SHOWN_CHARS = 80
#: Methods of mappings that may have several values for one key.
_ASKS_FOR_SEVERAL = ("getlist", "getall", "get_all")

_Value = TypeVar("_Value")
_Kind = TypeVar("_Kind", dt.datetime, dt.date, dt.time, dt.timedelta)
_DAY = ("year", "month", "day")
_CLOCK = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_PARTS: dict[type[Any], tuple[str, ...]] = {
    dt.datetime: (*_DAY, *_CLOCK),
    dt.date: _DAY,
    dt.time: _CLOCK,
    dt.timedelta: ("days", "seconds", "microseconds"),
}


def name_of(value: Any) -> str:
    """The name of a value's type in errors."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def mapping_items(values: Mapping[Any, Any], path: str) -> list[tuple[Any, Any]]:
    """The items of a mapping.

    :param path: name of the mapping, for errors.
    :raises SerializationError: it may hold more than its items tell, as werkzeug's
        MultiDict does.
    """
    items = list(values.items())
    if type(values) is not dict and not _tell_all(items, values):
        raise SerializationError(
            f"{path}: a {name_of(values)} may have several values for one key, of "
            "which some would be lost; pass a dict of what is meant, such as "
            "to_dict(flat=False) gives",
            path=path,
        )
    return items


def _tell_all(items: list[tuple[Any, Any]], values: Mapping[Any, Any]) -> bool:
    kind = type(values)
    if any(hasattr(kind, name) for name in _ASKS_FOR_SEVERAL):
        return False
    told = dict(items)
    if isinstance(values, dict) and kind.items is not dict.items:
        return told == dict(dict.items(values))
    return len(told) == len(items) == len(values)


def unique(pairs: Iterable[tuple[str, _Value]], path: str) -> dict[str, _Value]:
    """Make a JSON object of pairs.

    :raises SerializationError: two pairs have the same key.
    """
    found: dict[str, _Value] = {}
    for key, value in pairs:
        if key in found:
            raise SerializationError(
                f"{path}: the key {shown(key)} would be there twice", path=path
            )
        found[key] = value
    return found


def at(path: str, key: Any) -> str:
    """The path of the value of a key, for errors."""
    return f"{path}[{shown(key)}]"


def shown(key: Any) -> str:
    """The text of a key in errors, cut. Never raises."""
    try:
        return cut(repr(key), _KEY_SHOWN_CHARS)
    except Exception:
        # Such as repr() of an int with too many digits.
        return f"<{type(key).__name__}>"


def checked_int(value: int, path: str) -> int:
    """The int, if it can be written.

    :raises SerializationError: it has more than :data:`MAX_INT_DIGITS` digits.
    """
    if -_INT_LIMIT < value < _INT_LIMIT:
        return value
    raise SerializationError(
        f"{path}: an int of more than {MAX_INT_DIGITS} digits cannot travel", path=path
    )


def plain(kind: type[_Kind], value: _Kind) -> _Kind:
    """Convert a date, time or timedelta of a subclass to the standard class.

    :raises ValueError: it holds more, such as pandas' nanoseconds.
    """
    if type(value) is kind:
        return value
    made = kind(**{part: getattr(value, part) for part in _PARTS[kind]})
    # Not "!=": the class may define equality only.
    if not made == value:
        raise ValueError(f"it holds more than a {kind.__name__}")
    return made


def record_id(record: Any, path: str) -> int:
    """The id of a record.

    :raises SerializationError: it is not saved.
    """
    found = getattr(record, "id", None)
    if not isinstance(found, int) or found < 0:
        raise SerializationError(
            f"{path}: a {record.__name__} that is not saved cannot travel; "
            "save it first",
            path=path,
        )
    return found
