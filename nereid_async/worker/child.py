"""A process of a worker, from its fork to its end."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from .. import forks
from ..database import connection_pool
from ..database.errors import is_passing
from ..texts import one_line
from .process import FAILED, WorkerProcess

logger = logging.getLogger(__name__)

#: Signals of the parent: drain, and end now. SIGINT is not used, since a terminal sends
#: it to every process of the group.
FINISH, NOW = signal.SIGTERM, signal.SIGQUIT
#: Signals that are blocked from the fork until their handlers are installed.
HELD = {signal.SIGINT, FINISH, NOW}


def run_child(slot: int, make: Callable[[], WorkerProcess]) -> int:
    """Run a worker process in this child, which was forked with :data:`HELD` blocked.

    Never raises: an exception would return into the supervisor's code in the child.

    :param slot: number of the process, for the log.
    :param make: makes the worker process.
    :returns: the exit code of the child.
    """
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        process = make()
        # A handler, not SIG_IGN, which programs that a task starts would inherit.
        signal.signal(signal.SIGINT, lambda signum, frame: None)
        signal.signal(FINISH, lambda signum, frame: process.stop())
        signal.signal(NOW, lambda signum, frame: _end_now(process))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        forks.free_children(connection_pool.AtFork())
        return process.run()
    except BaseException as error:
        logger.critical(
            "worker process %d failed: %s",
            slot,
            one_line(error),
            exc_info=not is_passing(error),
        )
        return FAILED
    finally:
        with suppress(Exception):
            forks.end_daemons()
            sys.stdout.flush()
            sys.stderr.flush()


def _end_now(process: WorkerProcess) -> None:
    process.note_aborted_runs()
    os._exit(FAILED)
