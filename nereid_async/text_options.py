"""Options of a task that are a text, or a function of the call that returns one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from .errors import ConfigurationError

TextOption: TypeAlias = "str | Callable[..., str | None] | None"

#: Of which one task waits at a time; True for the arguments of the call.
KeyOption: TypeAlias = "TextOption | Literal[True]"
OnConflict: TypeAlias = Literal["keep", "replace"]
UniqueUntil: TypeAlias = Literal["start", "finish"]

#: Characters, at most.
TEXT_MAX = 255


def check(option: str, value: Any) -> None:
    """Check an option as it is declared.

    :param option: its name, for the error.
    :raises ConfigurationError: it is neither None, a usable text nor a callable.
    """
    if value is None or callable(value):
        return
    if not isinstance(value, str):
        kinds = "a text, or a function of the call's arguments that returns one"
        also = "; or True, for the arguments themselves" if option == "key" else ""
        raise ConfigurationError(f"{option}={value!r}: {kinds}{also}")
    check_text(option, value)


def text_of(
    option: str,
    value: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    task: str,
) -> str | None:
    """The text of an option for one call.

    :param args: the positional arguments as the function takes them: a record's method
        has the record first.
    :param task: name of the task, for errors.
    :raises ConfigurationError: what the option's function returns is no usable text.
    """
    if value is None:
        return None
    text: str | None = value(*args, **kwargs) if callable(value) else value
    if text is not None:
        check_text(option, text, f"{task}: ")
    return text


def check_text(option: str, value: Any, where: str = "") -> None:
    """Check a text.

    :param where: what to name before the option in the error.
    :raises ConfigurationError: it is no text, empty, too long or not storable.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}{option}={value!r}: a text")
    shown = value if len(value) <= 40 else f"{value[:40]}…"
    if not 1 <= len(value) <= TEXT_MAX:
        raise ConfigurationError(
            f"{where}{option}={shown!r}: 1 to {TEXT_MAX} characters, not {len(value)}"
        )
    if "\0" in value:
        raise ConfigurationError(
            f"{where}{option}={shown!r}: PostgreSQL stores no NUL character"
        )
