"""Tasks that treat their worker roughly, in a module that it can import."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading

from nereid_async import NereidAsync, current_task

#: An extension without an app: the decorator needs none.
extension = NereidAsync()


class OwnInterrupt(BaseException):
    """As gevent's Timeout and pytest's outcomes are: no Exception."""


#: What a task may raise that ``except Exception`` does not catch.
ODD: dict[str, type[BaseException]] = {
    "cancelled": asyncio.CancelledError,
    "generator": GeneratorExit,
    "interrupt": KeyboardInterrupt,
    "own": OwnInterrupt,
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
