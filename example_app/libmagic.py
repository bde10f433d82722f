"""The C library that python-magic needs, on machines that do not have it."""

from __future__ import annotations

from ctypes.util import find_library


def provide() -> None:
    """Let python-magic find libmagic, here and in child processes.

    Nereid imports python-magic without declaring it. Where the system has no libmagic,
    pylibmagic brings one; it has to be imported first, and tells by the environment.
    """
    if find_library("magic") is None:
        import pylibmagic  # noqa: F401
