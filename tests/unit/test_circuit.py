"""The circuit breaker, by a clock of its own."""

from __future__ import annotations

from nereid_async.circuit import Circuit


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> Circuit:
    circuit = Circuit(failures=3, pause_s=10, clock=clock)
    for _ in range(3):
        assert circuit.lets_through()
        circuit.failed()
    return circuit


def test_closed_until_failures_in_a_row() -> None:
    circuit = Circuit(failures=3, clock=Clock())
    for _ in range(5):
        circuit.failed()
        circuit.failed()
        circuit.succeeded()
        assert circuit.lets_through()


def test_open_means_nobody_waits() -> None:
    clock = Clock()
    circuit = opened(clock)
    assert not circuit.lets_through()
    clock.now_s += 9.9
    assert not circuit.lets_through()


def test_one_caller_tries_after_the_pause() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now_s += 10
    assert circuit.lets_through()
    assert not circuit.lets_through()
    circuit.failed()
    clock.now_s += 9.9
    assert not circuit.lets_through()


def test_success_closes_it() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now_s += 10
    assert circuit.lets_through()
    circuit.succeeded()
    assert circuit.lets_through()
    assert circuit.lets_through()
