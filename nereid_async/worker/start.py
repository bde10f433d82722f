"""The start of a worker: look at what it is to work on, load the pool, fork."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from trytond.cache import Cache

from ..database import connections
from ..errors import TransportError
from ..runtime import Runtime
from ..sqs.queue_names import checked_queue
from . import database_sessions, start_checks
from .options import WorkerOptions
from .supervisor import Supervisor

logger = logging.getLogger(__name__)


def work(runtime: Runtime, options: WorkerOptions) -> int:
    """Run a worker until it is told to stop, or in burst until nothing is left.

    :returns: exit code: 0 if all processes ended as they should.
    :raises ConfigurationError: the database lacks the module, its sessions are not
        the worker's own, a queue's name is none or it is another database's, or the
        options and trytond.conf do not go together.
    :raises DatabaseUnavailable: the database is away, or a standby.
    """
    for queue in options.queues:
        checked_queue(queue)
    database_sessions.check(runtime.database)
    with _shared_with_children():
        runtime.load_pool()
        _look_at_queues(runtime, options)
    start_checks.check(runtime, options)
    # No connection outlives a fork.
    Cache.drop(runtime.database)
    connections.close(runtime.database)
    return Supervisor(runtime, options).run()


@contextmanager
def _shared_with_children() -> Iterator[None]:
    """Let the memory that is filled here be shared with the processes that fork.

    As Python's documentation of :func:`gc.freeze` has it: what a collection frees
    leaves holes, which each process would fill for itself, and a collection writes to
    the objects it looks at. Those of the processes get shorter by it, too.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _look_at_queues(runtime: Runtime, options: WorkerOptions) -> None:
    queues = options.queues_or_default(runtime.settings)
    try:
        for text in runtime.broker.warnings(queues):
            logger.warning("%s", text)
        runtime.broker.prepare(queues)
    except TransportError as error:
        logger.warning("the queues cannot be looked at: %s", error)
