"""The two lines that every worker logs: at its start and at its end."""

from __future__ import annotations

import logging
import os

from .._version import __version__
from ..runtime import Runtime
from .heartbeats import Counts
from .options import WorkerOptions

#: Shown whatever the level of the other logs is.
logger = logging.getLogger(__name__)


def ready(runtime: Runtime, options: WorkerOptions, url: str | None) -> None:
    """Say what the worker is, once its processes have been started.

    :param url: where it serves its health; None for nowhere.
    """
    logger.info(
        "nereid_async %s is ready: database %s, broker %s, queue(s) %s, "
        "%d process(es) x %d thread(s), pid %d%s",
        __version__,
        runtime.database,
        runtime.settings.broker,
        ", ".join(options.queue_words(runtime.settings)),
        options.processes,
        options.threads,
        os.getpid(),
        "" if url is None else f", {url}",
    )


def ended(counts: Counts, ran_s: float, code: int) -> None:
    """Say what the worker has done."""
    logger.info("ended after %.1f s with exit code %d: %s", ran_s, code, counts)
