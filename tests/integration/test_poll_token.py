"""One token among processes: who holds it polls."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from nereid_async.wakeup import Wakeup
from nereid_async.worker.intervals import Intervals
from nereid_async.worker.poll_token import PollToken, Ticker

POLL_S = 20.0
#: Longer than it takes until a token counts as lost.
LOST_S = 20.0
#: Long enough for a token to be lost whose holder is silent.
SILENCE_S = 1.5
TICK_S = 0.2
QUICK = Intervals(token_lost_after_s=1.0)


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


class Processes:
    """Starts processes that hold the token, and ends them with the test."""

    def __init__(self, token: PollToken, wakeup: Wakeup) -> None:
        self._token = token
        self._wakeup = wakeup
        self.pids: list[int] = []

    def hold(self, poll_s: float = POLL_S) -> int:
        """Let another process hold the token for ever; its pid."""
        held_fd, tell_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                assert self._token.acquire(60, poll_s, self._wakeup)
                Ticker([self._token], TICK_S).start()
                os.write(tell_fd, b"!")
                threading.Event().wait()
            finally:
                os._exit(1)
        self.pids.append(pid)
        os.close(tell_fd)
        assert os.read(held_fd, 1) == b"!"
        os.close(held_fd)
        return pid


@pytest.fixture
def token(request: pytest.FixtureRequest) -> PollToken:
    """With the intervals that the test names, if it does."""
    return PollToken(getattr(request, "param", QUICK))


@pytest.fixture
def processes(token: PollToken, wakeup: Wakeup) -> Iterator[Processes]:
    made = Processes(token, wakeup)
    yield made
    for pid in made.pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_one_holds_it_at_a_time(token: PollToken, wakeup: Wakeup) -> None:
    assert token.acquire(0, POLL_S, wakeup)
    assert not token.acquire(0, POLL_S, wakeup)
    token.release()
    assert token.acquire(0, POLL_S, wakeup)


def test_a_wakeup_ends_the_wait(token: PollToken, wakeup: Wakeup) -> None:
    assert token.acquire(0, POLL_S, wakeup)
    wakeup.set()
    began_s = time.monotonic()
    assert not token.acquire(60, POLL_S, wakeup)
    assert time.monotonic() - began_s < 30


def test_it_is_handed_from_process_to_process(token: PollToken, wakeup: Wakeup) -> None:
    pid = os.fork()
    if pid == 0:
        acquired = token.acquire(60, POLL_S, wakeup)
        token.release()
        os._exit(0 if acquired else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert token.acquire(0, POLL_S, wakeup)


def test_a_holder_that_lives_keeps_it(
    processes: Processes, token: PollToken, wakeup: Wakeup
) -> None:
    processes.hold()
    assert not token.acquire(SILENCE_S, POLL_S, wakeup)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_one_that_is_silent_loses_it(
    processes: Processes, token: PollToken, wakeup: Wakeup, number: signal.Signals
) -> None:
    os.kill(processes.hold(), number)
    assert token.acquire(LOST_S, POLL_S, wakeup)


@pytest.mark.parametrize("token", [replace(QUICK, token_late_s=1.0)], indirect=True)
def test_one_whose_poll_hangs_loses_it(
    processes: Processes, token: PollToken, wakeup: Wakeup
) -> None:
    processes.hold(poll_s=0)
    assert token.acquire(LOST_S, POLL_S, wakeup)


def test_one_that_goes_on_after_all_does_not_make_two(
    processes: Processes, token: PollToken, wakeup: Wakeup
) -> None:
    stopped = processes.hold()
    os.kill(stopped, signal.SIGSTOP)
    assert token.acquire(LOST_S, POLL_S, wakeup)
    os.kill(stopped, signal.SIGCONT)
    # Some ticks of it later it is still ours.
    ticker = Ticker([token], TICK_S)
    ticker.start()
    assert held_elsewhere(token, wakeup)
    ticker.stop()
    token.release()
    assert token.acquire(0, POLL_S, wakeup)


def held_elsewhere(token: PollToken, wakeup: Wakeup) -> bool:
    """Whether a process that waits does not get it."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if token.acquire(SILENCE_S, POLL_S, wakeup) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
