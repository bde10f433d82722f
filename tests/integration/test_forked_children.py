"""Children that are forked while other threads use the database."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from nereid_async import forks
from nereid_async.database import connection_pool, connections

_fork = multiprocessing.get_context("fork")

#: Without the gate, one of ten hangs or so.
_CHILDREN = 100


@pytest.mark.backends("sqlite")
def test_a_child_may_use_sqlite_whatever_other_threads_do(database: str) -> None:
    queue = _fork.SimpleQueue()
    worker = _fork.Process(target=_fork_children, args=(database, queue))
    worker.start()
    worker.join(120)
    worker.kill()
    assert not queue.empty(), "a child hangs"
    assert queue.get() == {0: _CHILDREN}


def _fork_children(database: str, queue: Any) -> None:
    """As a worker: two threads execute statements while a third one forks."""
    forks.free_children(connection_pool.AtFork())
    stop = threading.Event()
    threads = [
        threading.Thread(target=_execute, args=(database, stop)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    ends: dict[int, int] = {}
    for _ in range(_CHILDREN):
        end = _end_of_child(database)
        ends[end] = ends.get(end, 0) + 1
    stop.set()
    for thread in threads:
        thread.join()
    queue.put(ends)


def _execute(database: str, stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        # A new one each time, so that it is parsed.
        number += 1
        with connections.autocommit(database) as cursor:
            cursor.execute(f"SELECT id, {number} FROM async_task").fetchall()


def _end_of_child(database: str) -> int:
    """How a child ends that uses the database; -1 if it hangs."""
    pid = os.fork()
    if pid == 0:
        status = 1
        with suppress(Exception):
            with connections.transaction(database) as cursor:
                cursor.execute("DELETE FROM async_test_entry")
            status = 0
        os._exit(status)
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return -1
