"""Sending an outcome to where its asker looks for it."""

from __future__ import annotations

import logging

from ..errors import AccessDenied
from ..results.base import Outcome
from ..runtime import Runtime

logger = logging.getLogger(__name__)


def reply(runtime: Runtime, task_id: str, outcome: Outcome) -> None:
    """Put the outcome in the result store.

    :raises TransportError: not now; the message has to come again for it.
    """
    try:
        runtime.results.put(task_id, outcome)
    except AccessDenied as error:
        # Another delivery would not mend it, and without a row would run the task
        # again. With a row the asker is answered from there.
        logger.error(
            "task %s: the reply was not sent%s: %s",
            task_id,
            " and is lost" if runtime.rows is None else "; its row has it",
            error,
        )
