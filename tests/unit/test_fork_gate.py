"""The gate that keeps threads out of what a fork must not cut in two."""

from __future__ import annotations

import threading
import time

from nereid_async.database.fork_gate import ForkGate
from tests.helpers import wait_until


def waits(thread: threading.Thread) -> bool:
    """Whether a thread is still there after a moment in which it could have ended."""
    thread.join(0.05)
    return thread.is_alive()


def test_a_fork_waits_for_who_is_inside_and_lets_nobody_else_in() -> None:
    gate, leave = ForkGate(), threading.Event()
    inside, passed = threading.Event(), threading.Event()

    def stay() -> None:
        with gate.passed(), gate.passed():
            inside.set()
            leave.wait(30)

    def come_later() -> None:
        with gate.passed():
            passed.set()

    threading.Thread(target=stay).start()
    assert inside.wait(30)
    fork = threading.Thread(target=gate.close, args=(30,))
    fork.start()
    assert waits(fork)
    late = threading.Thread(target=come_later)
    late.start()
    leave.set()
    fork.join(30)
    assert waits(late)
    gate.open()
    assert passed.wait(30)
    late.join()


def test_a_fork_does_not_wait_for_its_own_thread() -> None:
    gate = ForkGate()
    with gate.passed():
        began_s = time.monotonic()
        assert gate.close(30)
        gate.open()
        assert time.monotonic() - began_s < 30


def test_a_fork_goes_on_after_a_time_and_a_child_knows_of_no_other_thread() -> None:
    gate, leave, inside = ForkGate(), threading.Event(), threading.Event()

    def stay() -> None:
        with gate.passed():
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=stay)
    thread.start()
    assert inside.wait(30)
    assert not gate.close(0.01)
    gate.reset()
    with gate.passed():
        pass
    leave.set()
    wait_until(lambda: not thread.is_alive())
