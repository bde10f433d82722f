"""What ends the waits of a process."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator

import pytest

from nereid_async.wakeup import Wakeup, readable

#: ``select()`` takes no descriptor from here on.
_SELECT_MAX = 1_024


@pytest.fixture
def high_pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose descriptors are those of a process that has many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * _SELECT_MAX), hard))
    low = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, _SELECT_MAX) for fd in low]
    try:
        yield high[0], high[1]
    finally:
        for fd in (*low, *high):
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_may_have_many_descriptors(high_pipe: tuple[int, int]) -> None:
    read_fd, write_fd = high_pipe
    assert readable(0, read_fd) == set()
    os.write(write_fd, b"!")
    assert readable(0, read_fd) == {read_fd}


def test_a_wakeup_rings_for_good(high_pipe: tuple[int, int]) -> None:
    wakeup = Wakeup()
    assert not wakeup.wait(0, high_pipe[0])
    wakeup.set()
    assert wakeup.wait(0)
    assert wakeup.wait(10, high_pipe[0])
    wakeup.close()
