"""Texts that others have written, made fit to be kept."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """What an exception says, without its line ends; its type if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def storable(text: str) -> str:
    """The text as PostgreSQL takes it: without NUL and lone surrogates."""
    return (
        text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    )


def cut(text: str, limit_chars: int) -> str:
    """The text, or its beginning with a sign that there was more."""
    return text if len(text) <= limit_chars else f"{text[: limit_chars - 1]}…"


def cut_inside(text: str, limit_chars: int) -> str:
    """The text, or both of its ends with a note between them."""
    if len(text) <= limit_chars:
        return text
    half = limit_chars // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]} [... {left_out} characters left out ...] {text[-half:]}"
