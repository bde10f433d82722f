"""The circuit breakers, by a clock of their own."""

from __future__ import annotations

import pytest

from nereid_async.errors import (
    AccessDenied,
    CredentialsRefused,
    QueueMissing,
    QueueUnavailable,
    TransportError,
    TransportUnavailable,
)
from nereid_async.sqs.circuit_breaker import CircuitBreaker, CircuitBreakers

ERROR = TransportUnavailable("no answer")


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, pause_s=10, clock=clock)
    for _ in range(3):
        assert breaker.objection() is None
        breaker.failed(ERROR)
    return breaker


def test_closed_until_failures_in_a_row() -> None:
    breaker = CircuitBreaker(failures=3, clock=Clock())
    for _ in range(5):
        breaker.failed(ERROR)
        breaker.failed(ERROR)
        breaker.succeeded()
        assert breaker.objection() is None


def test_open_means_nobody_waits() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert breaker.objection() is ERROR
    clock.now_s += 9.9
    assert breaker.objection() is ERROR


def test_one_caller_tries_after_the_pause() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10
    assert breaker.objection() is None
    assert breaker.objection() is ERROR
    breaker.failed(ERROR)
    clock.now_s += 9.9
    assert breaker.objection() is ERROR


def test_success_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10
    assert breaker.objection() is None
    breaker.succeeded()
    assert breaker.objection() is None
    assert breaker.objection() is None


@pytest.fixture
def breakers() -> CircuitBreakers:
    clock = Clock()
    return CircuitBreakers(lambda: CircuitBreaker(failures=2, clock=clock))


@pytest.mark.parametrize("kind", [TransportUnavailable, CredentialsRefused])
def test_no_answer_opens_it_for_every_queue(
    breakers: CircuitBreakers, kind: type[TransportError]
) -> None:
    for queue in ("a", "b"):
        breakers.failed(queue, kind("down"))
    assert breakers.objection("a")
    assert breakers.objection("c")
    breakers.succeeded("b")
    assert breakers.objection("a") is None


@pytest.mark.parametrize("kind", [QueueMissing, AccessDenied, QueueUnavailable])
def test_an_answer_about_a_queue_opens_it_for_that_queue(
    breakers: CircuitBreakers, kind: type[TransportError]
) -> None:
    breakers.failed("a", kind("not there"))
    breakers.failed("b", TransportUnavailable("down"))
    breakers.failed("a", kind("not there"))
    # That one was answered.
    breakers.failed("b", TransportUnavailable("down"))
    assert isinstance(breakers.objection("a"), kind)
    assert breakers.objection("b") is None
    breakers.succeeded("a")
    assert breakers.objection("a") is None
