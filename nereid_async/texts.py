"""Shortens and cleans texts of other origin, for logs and rows."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """The text of an exception on one line; its class's name if it has no text."""
    return joined(str(error)) or type(error).__name__


def joined(text: str) -> str:
    """The text in one line, with single blanks."""
    return " ".join(text.split())


def storable(text: str) -> str:
    """The text with NUL and lone surrogates escaped, which PostgreSQL refuses."""
    return (
        text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    )


def cut(text: str, limit_chars: int) -> str:
    """The text, cut after ``limit_chars`` characters, with an ellipsis."""
    return text if len(text) <= limit_chars else f"{text[: limit_chars - 1]}…"


def cut_inside(text: str, limit_chars: int) -> str:
    """The text; if it is longer than ``limit_chars``, its two ends with a note between.

    The note is not counted.
    """
    if len(text) <= limit_chars:
        return text
    half = limit_chars // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]} [... {left_out} characters left out ...] {text[-half:]}"
