"""Says once that the whole queue service, or the database, does not answer.

All pollers and the relay of a process meet the same outage, each of them again and
again. What the parent of a worker has said is not repeated by its processes either: a
fork knows it.
"""

from __future__ import annotations

import logging

from ..errors import TransportError
from ..sending import TOLD_EVERY_S
from ..throttled_log import ThrottledLog

_log = ThrottledLog(logging.getLogger(__name__), TOLD_EVERY_S)

#: An outage that follows another one is told apart, unless it follows at once.
_APART_S = 60.0


def tell(effect: str, error: TransportError) -> None:
    """Say what an outage of the service leads to, unless another part has said it.

    :param effect: what does not happen.
    """
    _log.warning(type(error).__name__, "%s: %s", effect, error)


def answered() -> None:
    """Note that the service has answered: the next outage is a new one."""
    _log.forget(older_than_s=_APART_S)
