"""A process as a worker: two threads execute statements while a third one forks.

A program of its own. In a fork of the tests' process, any thread may free what other
tests have left, such as statements of SQLite: a child waits for what that held.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from contextlib import suppress

from nereid_async import forks
from nereid_async.database import connection_pool, connections
from nereid_async.errors import DatabaseUnavailable
from nereid_async.tryton_config import config

_HANGS_AFTER_S = 30.0
_HUNG = -1


def main(conf: str, database: str, number: int) -> str:
    """Fork a number of children, up to the first that hangs.

    :return: how children ended, each status once; -1 for one that hung.
    """
    config.update_etc(conf)
    forks.free_children(connection_pool.AtFork())
    stop = threading.Event()
    threads = [
        threading.Thread(target=_execute, args=(database, stop)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    ends: list[int] = []
    while len(ends) < number and _HUNG not in ends:
        ends.append(_end_of_child(database))
    stop.set()
    for thread in threads:
        thread.join()
    return " ".join(f"{ends.count(end)} x {end}" for end in sorted(set(ends)))


def _execute(database: str, stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        # A new one each time, so that it is parsed.
        number += 1
        with (
            suppress(DatabaseUnavailable),
            connections.autocommit(database) as cursor,
        ):
            cursor.execute(f"SELECT id, {number} FROM async_task").fetchall()


def _end_of_child(database: str) -> int:
    """How a child ends that uses the database; -1 if it hangs."""
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(_HANGS_AFTER_S / 2)
        status = 1
        with suppress(Exception):
            while status:
                # Two that read all the time may keep a writer waiting for too long.
                with suppress(DatabaseUnavailable):
                    with connections.transaction(database) as cursor:
                        cursor.execute("DELETE FROM async_test_entry")
                    status = 0
        os._exit(status)
    deadline_s = time.monotonic() + _HANGS_AFTER_S
    while time.monotonic() < deadline_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return _HUNG


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
