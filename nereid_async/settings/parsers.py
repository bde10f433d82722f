"""What values a setting takes, whoever gives them: text from a file, or objects.

Each parser returns the value as it is used, and raises a ValueError that says what is
expected; the text never has the value, which may be a secret.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..limits import SQS_QUEUE_NAME_MAX_CHARS
from .headers import headers as checked_headers
from .keys import encryption_key, keys
from .urls import checked_url

#: What the endpoint sets by itself.
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


def boolean(value: Any) -> bool:
    """Yes or no, in the words that trytond.conf takes."""

    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("yes or no")


def text(value: Any) -> str:
    """Text without the blanks around it."""

    if isinstance(value, int) and not isinstance(value, bool):
        # Digits, as Config.from_prefixed_env() reads them.
        return str(value)
    if not isinstance(value, str):
        raise ValueError("text; in quotation marks where JSON would take it for more")
    return value.strip()


def account(value: Any) -> str:
    """The id of an AWS account."""

    # Accounts have twelve digits; numbers lose those that are 0.
    return text(value).zfill(12) if isinstance(value, int) else text(value)


def url(value: Any) -> str:
    """A URL, or nothing."""

    return checked_url(text(value))


def queue_name(value: Any) -> str:
    """The short name of a queue.

    :raises ValueError: saying what is expected.
    """
    name = name_part(value)
    if not name or name.startswith("-") or name.endswith("-"):
        raise ValueError("a name that begins and ends with a letter, digit or _")
    if name == "dead":
        raise ValueError("another name: this one is the end of dead-letter queues'")
    return name


def name_part(value: Any) -> str:
    """A part of a queue's name."""

    name = text(value)
    if not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise ValueError("letters, digits, - and _ only")
    # Checked here, too: not every SQS-compatible server does.
    if len(name) > SQS_QUEUE_NAME_MAX_CHARS:
        raise ValueError(f"at most {SQS_QUEUE_NAME_MAX_CHARS} characters")
    return name


def base_urls(value: Any) -> tuple[tuple[str, str], ...]:
    """Names of websites and their URLs."""

    # By the website's name; one for all has none.
    given = value if isinstance(value, Mapping) else {"": value}
    urls = [(text(name), url(it)) for name, it in given.items()]
    # A path is that of a folder.
    return tuple((name, it.rstrip("/") + "/") for name, it in urls if it)


def poll_headers(value: Any) -> tuple[tuple[str, str], ...]:
    """Headers that the endpoint does not set by itself."""

    return checked_headers(value, _POLL_HEADERS_TAKEN)


def names(value: Any) -> tuple[str, ...]:
    """Names, from a list or with blanks or commas between."""

    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, Iterable):
        raise ValueError("a list of names")
    return tuple(text(name) for name in value)


def encryption_keys(value: Any) -> tuple[bytes, ...]:
    """Keys of Fernet's."""

    return tuple(encryption_key(key) for key in keys(value))


def number(low: float, high: float) -> Callable[[Any], float]:
    """A number within a range."""

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
            raise ValueError(f"{low:g} to {high:g}")
        return parsed

    return parse


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number within a range."""

    within = number(low, high)

    def parse(value: Any) -> int:
        parsed = within(value)
        if parsed != int(parsed):
            raise ValueError("a whole number")
        return int(parsed)

    return parse


def choice(*choices: str) -> Callable[[Any], str]:
    """One of a few words."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError(" or ".join(choices))
        return str(value)

    return parse
