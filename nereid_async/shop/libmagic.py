"""The C library that python-magic needs, on machines that do not have it."""

from __future__ import annotations

from ctypes.util import find_library

from ..errors import ConfigurationError


def provide() -> None:
    """Let python-magic find libmagic, here and in child processes.

    Nereid imports python-magic without declaring it. Where the system has no libmagic,
    pylibmagic brings one; it has to be imported first, and tells by the environment.

    :raises ConfigurationError: there is neither.
    """
    if find_library("magic") is not None:
        return
    try:
        import pylibmagic  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            "Nereid needs the C library libmagic: install it (on Debian: apt install "
            "libmagic1), or: pip install pylibmagic"
        ) from None
