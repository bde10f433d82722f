"""Tasks that treat their worker roughly, in a module that it can import."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from nereid_async import NereidAsync, current_task

#: An extension without an app: the decorator needs none.
extension = NereidAsync()


class OwnInterrupt(BaseException):
    """As gevent's Timeout and pytest's outcomes are: no Exception."""


class Unprintable(Exception):
    """Whoever wants to log it meets another exception."""

    def __str__(self) -> str:
        raise OwnInterrupt("of a text")


#: What a task may raise that ``except Exception`` does not catch, or not for long.
ODD: dict[str, type[BaseException]] = {
    "cancelled": asyncio.CancelledError,
    "generator": GeneratorExit,
    "interrupt": KeyboardInterrupt,
    "own": OwnInterrupt,
    "unprintable": Unprintable,
}


@extension.task
def raise_once(name: str) -> None:
    """Raise an odd exception in the first attempt."""
    if current_task.attempt == 1:
        raise ODD[name]("odd")


@extension.task
def leave() -> None:
    """End the program, as a script does."""
    sys.exit("enough")


@extension.task
def end_thread(name: str) -> None:
    """Let another thread of the worker end, and wait until it has."""
    (thread,) = (it for it in threading.enumerate() if it.name == name)
    thread.stop()  # type: ignore[attr-defined]
    thread.join()


@extension.task(max_attempts=2)
def break_thread() -> None:
    """End the thread that runs this, in the first attempt, as C code may do."""
    if current_task.attempt == 1:
        ctypes.CDLL(None).pthread_exit(None)


@extension.task
def write_and_wait(started: str, go: str) -> None:
    """Write, which locks a SQLite file, and wait until there is a file to go on."""
    Pool().get("async_test.entry").log("waited")
    with open(started, "a") as file:
        file.write("begun\n")
    while not os.path.exists(go):
        time.sleep(0.01)


# What forks.

_fork = multiprocessing.get_context("fork")


@extension.task(ignore_result=False)
def terminate_child(started: str) -> list[Any]:
    """Fork a process, terminate it, and go on; its exit code and ours."""
    session = _session()
    child = _fork.Process(target=_sleep, args=(started,))
    child.start()
    while not os.path.exists(started):
        time.sleep(0.01)
    child.terminate()
    child.join()
    Pool().get("async_test.entry").log("after the child")
    return [child.exitcode, session == _session()]


@extension.task(ignore_result=False)
def use_pool(numbers: list[int]) -> list[int]:
    """Compute in a pool of processes, which are terminated at the end."""
    with _fork.Pool(2) as pool:
        squares = pool.map(_square, numbers)
    Pool().get("async_test.entry").log("after the pool")
    return squares


@extension.task(ignore_result=False)
def look_at_child() -> dict[str, Any]:
    """What a forked child has of its worker, and the worker's descriptors."""
    ours = set(_descriptors())
    queue = _fork.SimpleQueue()
    child = _fork.Process(target=_look, args=(queue,))
    child.start()
    found: dict[str, Any] = queue.get()
    child.join()
    found["shared"] = sorted(ours & set(found.pop("descriptors")))
    return found


@extension.task(ignore_result=False)
def leave_child(started: str) -> None:
    """Leave a process behind that lives longer than the worker."""
    _fork.Process(target=_sleep, args=(started,)).start()
    time.sleep(600)


@extension.task
def come_back_from_fork(how: str) -> None:
    """Let a child go on as if it were the worker."""
    pid = os.fork()
    if pid == 0:
        if how == "raise":
            raise ValueError("of a child")
        return
    os.waitpid(pid, 0)
    Pool().get("async_test.entry").log("after the child")


def _sleep(started: str) -> None:
    with open(started, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)


def _square(number: int) -> int:
    return number * number


def _look(queue: Any) -> None:
    queue.put(
        {
            "default": [
                signal.getsignal(it) in (signal.SIG_DFL, signal.default_int_handler)
                for it in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
            ],
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "wakeup_fd": signal.set_wakeup_fd(-1),
            "descriptors": _descriptors(),
            "session": _session_of_its_own(),
        }
    )


def _descriptors() -> list[str]:
    """What of the worker's is open besides files: pipes and sockets, by number."""
    links = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [link for link in links if link.startswith(("pipe:", "socket:"))]


def _session() -> int:
    """Number of the session with the database; 0 on SQLite."""
    if backend.name == "sqlite":
        return 0
    cursor = Transaction().connection.cursor()
    cursor.execute("SELECT pg_backend_pid()")
    (pid,) = cursor.fetchone()
    return int(pid)


def _session_of_its_own() -> str:
    try:
        _session()
    except Exception as error:
        inherited = str(error)
    else:
        inherited = ""
    with Transaction().new_transaction():
        return f"{inherited}, then {_session()}"
