"""Encoded arguments and results as text for people."""

from __future__ import annotations

from ..texts import cut
from .serialization import TAG, Json

#: A longer value is cut.
_VALUE_MAX_CHARS = 2_000
#: Tags whose values are texts that tell what they are.
_AS_THEY_ARE = {"decimal", "date", "uuid", "float"}


def call_text(name: str, args: list[Json], kwargs: dict[str, Json]) -> str:
    """A call as Python would write it, with readable values.

    :param args: encoded positional arguments.
    :param kwargs: encoded keyword arguments.
    """
    values = [readable(it) for it in args]
    values += [f"{key}={readable(it)}" for key, it in kwargs.items()]
    return f"{name}({', '.join(values)})"


def readable(value: Json) -> str:
    """A value as :func:`.serialization.encode` has written it. Never raises."""
    return cut(_text(value), _VALUE_MAX_CHARS)


def _text(value: Json) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    if TAG not in value:
        return f"{{{', '.join(f'{k!r}: {_text(v)}' for k, v in value.items())}}}"
    tag, held = value[TAG], value.get("v")
    if tag in _AS_THEY_ARE:
        return str(held)
    if tag in ("datetime", "time") and isinstance(held, dict):
        zone = held.get("z", held.get("o"))
        return f"{held.get('t')}" + ("" if zone is None else f" ({zone})")
    if tag == "tuple" and isinstance(held, list):
        return f"({', '.join(map(_text, held))})"
    if tag == "record":
        return f"{value.get('m')},{held}"
    if tag == "bytes" and isinstance(held, str):
        return f"<{len(held) * 3 // 4} bytes>"
    if tag == "email":
        return "<an email>"
    # Records, a dict with other keys, a timedelta: the tag says what they are.
    return f"{value.get('m', tag)} {_text(held)}"
