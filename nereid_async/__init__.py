"""Put work off from Nereid views and Tryton code: the public names."""

from __future__ import annotations

from . import errors, signals
from ._version import __version__
from .current_task import current_task
from .errors import Retry
from .extension import NereidAsync
from .result import AsyncResult
from .task import async_task

__all__ = [
    "AsyncResult",
    "NereidAsync",
    "Retry",
    "__version__",
    "async_task",
    "current_task",
    "errors",
    "signals",
]
