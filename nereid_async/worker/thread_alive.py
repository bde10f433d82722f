"""Whether a thread still runs."""

from __future__ import annotations

import os
import threading

#: Where Linux lists the threads of a process.
_THREADS = "/proc/self/task"


def alive(thread: threading.Thread) -> bool:
    """Whether a thread that was started still runs.

    Asks Linux as well: for Python a thread that C code has ended (``pthread_exit``)
    stays alive for ever.
    """
    if not thread.is_alive():
        return False
    return os.path.exists(f"{_THREADS}/{thread.native_id}") or not _listed()


def _listed() -> bool:
    return os.path.exists(_THREADS)
