"""Parsers of the values of settings: text from a file, or objects of ``app.config``.

Each returns the value as it is used, and raises a ValueError that says what is
expected. The error's text never has the value, which may be a secret.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..limits import SQS_QUEUE_NAME_MAX_CHARS
from ..queue_selection import ORDERED
from .headers import headers as checked_headers
from .keys import KEY_MIN_BYTES, encryption_key, keys
from .urls import checked_url

T = TypeVar("T")

#: Headers that the endpoint sets itself.
_POLL_HEADERS_TAKEN = {
    "cache-control",
    "content-length",
    "content-type",
    "retry-after",
    "set-cookie",
    "x-content-type-options",
}

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True)
class Parser(Generic[T]):
    """A parser, and what the reference page says of it.

    :ivar parse: returns the value as it is used.
    :ivar kind: the type in words, as reStructuredText.
    :ivar range: the range in words; empty if there is none.
    """

    parse: Callable[[Any], T]
    kind: str
    range: str = ""

    def __call__(self, value: Any) -> T:
        """Parse a value.

        :raises ValueError: saying what is expected.
        """
        return self.parse(value)


def _parser(kind: str) -> Callable[[Callable[[Any], T]], Parser[T]]:
    def of(parse: Callable[[Any], T]) -> Parser[T]:
        return Parser(parse, kind)

    return of


@_parser("``yes`` or ``no``")
def boolean(value: Any) -> bool:
    """Parse a boolean: a bool, or yes, true, on, 1 and their opposites."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("yes or no")


@_parser("text")
def text(value: Any) -> str:
    """Parse text; blanks around it are removed."""
    if isinstance(value, int) and not isinstance(value, bool):
        # Digits, as Config.from_prefixed_env() reads them.
        return str(value)
    if not isinstance(value, str):
        raise ValueError("text; in quotation marks where JSON would take it for more")
    return value.strip()


@_parser("id of an AWS account, twelve digits")
def account(value: Any) -> str:
    """Parse the id of an AWS account."""
    # It has twelve digits; an int has lost the zeros at its beginning.
    return text(value).zfill(12) if isinstance(value, int) else text(value)


@_parser("URL of ``http`` or ``https``")
def url(value: Any) -> str:
    """Parse a URL; an empty text stays one."""
    return checked_url(text(value))


@_parser("name out of letters, digits, ``-`` and ``_``; maybe ``.fifo`` at its end")
def queue_name(value: Any) -> str:
    """Parse the short name of a queue.

    :raises ValueError: saying what is expected.
    """
    written = text(value)
    name = name_part(written.removesuffix(ORDERED))
    if len(written) > SQS_QUEUE_NAME_MAX_CHARS:
        raise ValueError(f"at most {SQS_QUEUE_NAME_MAX_CHARS} characters")
    if not name or name.startswith("-") or name.endswith("-"):
        raise ValueError("a name that begins and ends with a letter, digit or _")
    if name == "dead":
        raise ValueError("another name: this one is the end of dead-letter queues'")
    return written


@_parser("letters, digits, ``-`` and ``_``")
def name_part(value: Any) -> str:
    """Parse a part of a queue's name; it may be empty."""
    name = text(value)
    if not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise ValueError("letters, digits, - and _ only")
    # Checked here, too: not every SQS-compatible server does.
    if len(name) > SQS_QUEUE_NAME_MAX_CHARS:
        raise ValueError(f"at most {SQS_QUEUE_NAME_MAX_CHARS} characters")
    return name


@_parser("URL, or a dict of website names to URLs")
def base_urls(value: Any) -> tuple[tuple[str, str], ...]:
    """Parse one URL for all websites, or URLs by name; pairs of name and URL."""
    # The URL for all websites has the empty name.
    given = value if isinstance(value, Mapping) else {"": value}
    urls = [(text(name), url(it)) for name, it in given.items()]
    # The path is that of a folder: links are resolved below it.
    return tuple((name, it.rstrip("/") + "/") for name, it in urls if it)


@_parser("dict of names to values, or text with one ``Name: value`` a line")
def poll_headers(value: Any) -> tuple[tuple[str, str], ...]:
    """Parse headers, without those that the endpoint sets itself."""
    return checked_headers(value, _POLL_HEADERS_TAKEN)


@_parser("list of names, or text with blanks or commas between them")
def names(value: Any) -> tuple[str, ...]:
    """Parse a list of names, or text with blanks or commas between them."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, Iterable):
        raise ValueError("a list of names")
    return tuple(text(name) for name in value)


_KEYS = "one key, or several: a list, or text with commas or line ends between them"
signing_keys = Parser(keys, _KEYS, f"{KEY_MIN_BYTES} bytes or more each")


@_parser(f"{_KEYS}; each 32 bytes in URL-safe Base64, as Fernet makes them")
def encryption_keys(value: Any) -> tuple[bytes, ...]:
    """Parse one or several Fernet keys."""
    return tuple(encryption_key(key) for key in keys(value))


def number(low: float, high: float) -> Parser[float]:
    """Make a parser of a number within a range, both ends included."""
    # Without an exponent, which the format "g" has from 1,000,000 on.
    within = f"{low:.15g} to {high:.15g}"

    def parse(value: Any) -> float:
        if isinstance(value, bool):
            raise ValueError("a number")
        try:
            parsed = float(value)
        except OverflowError:
            parsed = math.inf
        except (TypeError, ValueError):
            raise ValueError("a number") from None
        if not low <= parsed <= high:
            raise ValueError(within)
        return parsed

    return Parser(parse, "number", within)


def positive(high: float) -> Parser[float]:
    """Make a parser of a number above 0, up to a limit."""
    within = f"above 0, up to {high:.15g}"
    up_to = number(0, high)

    def parse(value: Any) -> float:
        parsed = up_to(value)
        if parsed == 0:
            raise ValueError(within)
        return parsed

    return Parser(parse, "number", within)


def whole(low: int, high: int) -> Parser[int]:
    """Make a parser of a whole number within a range, both ends included."""

    within = number(low, high)

    def parse(value: Any) -> int:
        parsed = within(value)
        if parsed != int(parsed):
            raise ValueError("a whole number")
        return int(parsed)

    return Parser(parse, "whole number", within.range)


def choice(*choices: str) -> Parser[str]:
    """Make a parser of one of a few words, of which one may be empty."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(" or ".join(choices))
        return str(value)

    return Parser(parse, " or ".join(f"``{it}``" for it in choices if it))
