"""URLs in settings, which may contain a login."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def checked_url(url: str) -> str:
    """Check a URL of http or https and return it; an empty text is accepted.

    :raises ValueError: the text says what is expected, without the value.
    """
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        _ = parts.port
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_one = False
    if url and not is_one:
        raise ValueError("a URL that begins with http:// or https://")
    return url


def without_login(url: str) -> str:
    """The URL without its user and password."""
    return _with_login(urlsplit(url), "")


def masked(url: str) -> str:
    """The URL for logs, with asterisks in place of user and password."""
    parts = urlsplit(url)
    return _with_login(parts, "***@") if "@" in parts.netloc else url


def _with_login(parts: SplitResult, login: str) -> str:
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=login + host).geturl()
