"""URLs in settings, which may have a login in them."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def checked_url(url: str) -> str:
    """The URL, if it is one of http or https; an empty text is none.

    :raises ValueError: saying what is expected, and nothing of what came.
    """
    try:
        parts = urlsplit(url)
        # Read for the check that is in it.
        _ = parts.port
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_one = False
    if url and not is_one:
        raise ValueError("a URL that begins with http:// or https://")
    return url


def without_login(url: str) -> str:
    """The URL without the user and the password in it."""
    return _with_login(urlsplit(url), "")


def masked(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return _with_login(parts, "***@") if "@" in parts.netloc else url


def _with_login(parts: SplitResult, login: str) -> str:
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=login + host).geturl()
