"""The settings of one app, or of one database where there is no app.

An option ``visibility_timeout`` is ``ASYNC_VISIBILITY_TIMEOUT`` in ``app.config``,
``visibility_timeout`` in trytond.conf's section ``[async_sqs]`` and
``TRYTOND_ASYNC_SQS__VISIBILITY_TIMEOUT`` in the environment (which trytond itself
copies into its configuration). ``app.config`` wins.
"""

from __future__ import annotations

from .loading import load, require_key
from .parsers import queue_name
from .record import DEFAULT_POLLS_HELD, DEFAULT_QUEUE, Settings

__all__ = [
    "DEFAULT_POLLS_HELD",
    "DEFAULT_QUEUE",
    "Settings",
    "load",
    "queue_name",
    "require_key",
]
