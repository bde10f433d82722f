"""Starts a worker: checks database and queues, loads the pool, runs the supervisor."""

from __future__ import annotations

import gc
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trytond.cache import Cache

from ..database import connections
from ..errors import TransportError
from ..metrics import families
from ..queue_selection import selected
from ..runtime import Runtime
from ..sqs.queue_names import checked_queue
from . import database_sessions, http_server, service_log, start_checks
from .options import WorkerOptions
from .supervisor import Supervisor

logger = logging.getLogger(__name__)


def work(runtime: Runtime, options: WorkerOptions) -> int:
    """Run a worker until it is told to stop, or in burst until no due task is left.

    :returns: exit code: 0 if all processes ended well, else 1.
    :raises ConfigurationError: somebody else listens at the address of ``--http``, the
        database is in memory, the module is not active in it, a pooler shares its
        sessions, a queue's name is invalid, a queue belongs to another database, or
        options and trytond.conf do not fit.
    :raises DatabaseUnavailable: the database is unreachable, or a standby.
    """
    start_checks.check_is_shared(runtime.database)
    for queue in options.named_queues:
        checked_queue(queue)
    with _listening(options) as listener:
        return _work(runtime, options, listener)


@contextmanager
def _listening(options: WorkerOptions) -> Iterator[socket.socket | None]:
    if options.http is None:
        yield None
        return
    with http_server.listen(*options.http) as listener:
        yield listener


def _work(
    runtime: Runtime, options: WorkerOptions, listener: socket.socket | None
) -> int:
    database_sessions.check(runtime.database)
    with _shared_with_children():
        runtime.load_pool()
        queues = _existing_queues(runtime, options)
        _check_queues(runtime, options, queues)
        if listener is not None and not families.is_installed():
            logger.info("%s", families.INSTALL)
    start_checks.check(runtime, options, queues)
    # Connections must not be shared by a fork.
    Cache.drop(runtime.database)
    connections.close(runtime.database)
    return Supervisor(runtime, options, queues, listener).run()


@contextmanager
def _shared_with_children() -> Iterator[None]:
    """Keep the memory allocated in the context shared with the forked processes.

    As advised in Python's documentation of :func:`gc.freeze`: without collections
    before the fork there are no freed pages, which each process would fill and so copy;
    and frozen objects are not touched by later collections, which get faster, too.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _existing_queues(runtime: Runtime, options: WorkerOptions) -> list[str]:
    """Short names of the queues to work on, as far as they are known now."""
    queues: list[str] = []
    for pool in options.pools_or_default(runtime.settings):
        elsewhere = options.elsewhere(pool)
        try:
            queues += runtime.broker.existing(pool.queues, elsewhere)
        except TransportError as error:
            _tell("the queues cannot be listed", error)
            queues += selected(pool.queues, [])
    return queues


def _check_queues(
    runtime: Runtime, options: WorkerOptions, queues: Sequence[str]
) -> None:
    if runtime.rows is not None:
        for queue in runtime.rows.unknown_queues(options.named_queues):
            logger.warning(
                "queue %s: no task was ever deferred to it; is that its name?", queue
            )
    try:
        for text in runtime.broker.warnings(queues):
            logger.warning("%s", text)
        runtime.broker.prepare(queues)
    except TransportError as error:
        _tell("the queues cannot be checked", error)


def _tell(effect: str, error: TransportError) -> None:
    if error.of_service:
        service_log.tell(effect, error)
    else:
        logger.warning("%s: %s", effect, error)
