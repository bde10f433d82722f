"""Put work off from Nereid views and Tryton code: the public names.

They are imported at their first use: trytond chooses its database backend when it is
imported, and the command ``nereid-async`` must have read its configuration by then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import errors, signals
    from .current import current_task
    from .errors import Retry
    from .extension import NereidAsync
    from .messages.outcome import Progress, State
    from .result import AsyncResult
    from .task import async_task

__all__ = [
    "AsyncResult",
    "NereidAsync",
    "Progress",
    "Retry",
    "State",
    "__version__",
    "async_task",
    "current_task",
    "errors",
    "signals",
]

_HOME = {
    "AsyncResult": "result",
    "NereidAsync": "extension",
    "Progress": "messages.outcome",
    "Retry": "errors",
    "State": "messages.outcome",
    "async_task": "task",
    "current_task": "current",
}


if not TYPE_CHECKING:  # or any name would do

    def __getattr__(name: str) -> Any:
        if name in ("errors", "signals"):
            return import_module(f".{name}", __name__)
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
