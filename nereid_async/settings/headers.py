"""Parser of HTTP headers in a setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: A header's value: RFC 9110, section 5.5, without obsolete text.
_VALUE = re.compile(r"[\t\x20-\x7e]*")

_EXPECTED = "headers: a dict, or text with one `Name: value` a line"


def headers(value: Any, taken: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Parse the headers in a setting.

    :param taken: names, in lower case, that the setting must not have.
    :raises ValueError: the text says what is expected.
    """
    if isinstance(value, str):
        lines = [line for line in value.splitlines() if line.strip()]
        pairs = [_pair(line) for line in lines]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise ValueError(_EXPECTED)
    for name, text in pairs:
        if not (isinstance(name, str) and isinstance(text, str)):
            raise ValueError(_EXPECTED)
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(text)):
            raise ValueError(f"{_EXPECTED}; in ASCII")
        if name.lower() in taken:
            raise ValueError(f"headers without {name}, which each answer has by itself")
    return tuple(pairs)


def _pair(line: str) -> tuple[str, str]:
    name, colon, text = line.partition(":")
    if not colon:
        raise ValueError(_EXPECTED)
    return name.strip(), text.strip()
