"""How far ahead a worker receives."""

from __future__ import annotations

import threading
import time

import pytest

from devtools.messages import message
from nereid_async.brokers.base import Delivery
from nereid_async.worker.delivery_row import NoRow
from nereid_async.worker.job import Job
from nereid_async.worker.prefetch import Prefetch


class Clock:
    """Goes as it is told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def job(receive_count: int = 1) -> Job:
    """A job that nobody looks at, without a row."""
    delivery = Delivery("", None, "q", receive_count)
    return Job(delivery, message(), NoRow(delivery))


def take(prefetch: Prefetch, number: int) -> None:
    """Receive so many jobs."""
    prefetch.expect(number)
    prefetch.put([job() for _ in range(number)], number)


def begin(prefetch: Prefetch) -> Job:
    """Begin a job that was received."""
    job = prefetch.next()
    assert job is not None
    return job


def run(prefetch: Prefetch, length_s: float) -> None:
    """Run a job that was received, and takes so long."""
    clock = prefetch.clock
    assert isinstance(clock, Clock)
    job = begin(prefetch)
    clock.now_s += length_s
    prefetch.ended(job)


def run_many(prefetch: Prefetch, length_s: float) -> None:
    """Receive and run jobs one after the other: one says little, many say it."""
    for _ in range(100):
        take(prefetch, 1)
        run(prefetch, length_s)


def busy(threads: int, length_s: float) -> Prefetch:
    """One that has seen one task of that length, and is empty."""
    prefetch = Prefetch(threads, Clock())
    take(prefetch, 1)
    run(prefetch, length_s)
    return prefetch


def later(prefetch: Prefetch, seconds: float) -> None:
    """Let time pass."""
    clock = prefetch.clock
    assert isinstance(clock, Clock)
    clock.now_s += seconds


@pytest.mark.parametrize("threads", [1, 4])
def test_nothing_ahead_before_a_task_was_measured(threads: int) -> None:
    prefetch = Prefetch(threads)
    assert prefetch.empty
    assert prefetch.room(0) == threads
    take(prefetch, threads)
    assert not prefetch.empty
    assert prefetch.room(0) == 0


@pytest.mark.parametrize(
    ("threads", "length_s", "room"),
    [
        (1, 10.0, 1),
        (1, 0.3, 1),
        (1, 0.09, 5),
        (1, 0.001, 21),
        (8, 0.02, 28),
        (8, 0.39, 10),
    ],
)
def test_short_tasks_are_received_ahead(
    threads: int, length_s: float, room: int
) -> None:
    prefetch = busy(threads, length_s)
    run_many(prefetch, length_s)
    assert prefetch.room(0) == room


def test_a_long_task_counts_at_once_and_is_forgotten_slowly() -> None:
    prefetch = busy(1, 0.001)
    run_many(prefetch, 0.001)
    assert prefetch.room(0) == 21
    take(prefetch, 1)
    run(prefetch, 10.0)
    assert prefetch.room(0) == 1
    take(prefetch, 1)
    run(prefetch, 0.001)
    assert prefetch.room(0) == 1


def test_a_call_has_to_be_worth_it() -> None:
    prefetch = busy(1, 0.001)
    run_many(prefetch, 0.001)
    take(prefetch, 21)
    for left in range(20, 11, -1):
        run(prefetch, 0.001)
        assert prefetch.room(0) == 0, left
    run(prefetch, 0.001)
    assert prefetch.room(0) == 10


def test_who_waits_for_room_is_woken() -> None:
    prefetch = Prefetch(1, Clock())
    take(prefetch, 1)
    found = []
    waiting = threading.Thread(target=lambda: found.append(prefetch.room(30)))
    waiting.start()
    run(prefetch, 10.0)
    waiting.join(10)
    assert found == [1]


def test_a_poller_waits_until_a_new_job_has_ended() -> None:
    prefetch = Prefetch(1, Clock(), start_wait_s=60)
    take(prefetch, 1)
    waiting = threading.Thread(target=prefetch.await_start)
    waiting.start()
    run(prefetch, 0.001)
    waiting.join(10)
    assert not waiting.is_alive()
    # Nothing has come since: it does not wait for as long as it may.
    take(prefetch, 0)
    began_s = time.monotonic()
    prefetch.await_start()
    assert time.monotonic() - began_s < 30


def test_messages_count_while_they_are_claimed() -> None:
    prefetch = Prefetch(2, Clock())
    assert prefetch.expect(2)
    assert not prefetch.empty
    assert prefetch.room(0) == 0
    # Another poller has received meanwhile: no thread is free for that.
    assert not prefetch.expect(1)
    prefetch.put([], 1)
    prefetch.put([job()], 2)
    assert prefetch.room(0) == 1


def test_jobs_run_in_their_order() -> None:
    prefetch = Prefetch(1, Clock())
    jobs = [job() for _ in range(3)]
    prefetch.expect(3)
    prefetch.put(jobs, 3)
    assert begin(prefetch) is jobs[0]
    assert prefetch.take_back() == jobs[1:]
    prefetch.ended(jobs[0])
    assert not prefetch.empty
    prefetch.handed_back(jobs[1:])
    assert prefetch.empty


def test_who_waits_for_a_job_is_told_the_end() -> None:
    prefetch = Prefetch(1, Clock())
    found: list[Job | None] = []
    waiting = threading.Thread(target=lambda: found.append(prefetch.next()))
    waiting.start()
    prefetch.close()
    waiting.join(10)
    assert found == [None]
    assert prefetch.overdue() == []


def test_nothing_is_received_ahead_of_a_task_that_takes_long() -> None:
    prefetch = busy(2, 0.001)
    run_many(prefetch, 0.001)
    assert prefetch.room(0) == 22
    take(prefetch, 1)
    # Held as its thread holds it: jobs are told apart by id().
    running = [begin(prefetch)]
    later(prefetch, 0.4)
    assert prefetch.room(0) == 21
    # Not for the thread that is at it, and for the other one still.
    later(prefetch, 0.2)
    assert prefetch.room(0) == 21
    take(prefetch, 1)
    running.append(begin(prefetch))
    later(prefetch, 0.6)
    assert prefetch.room(0) == 0
    prefetch.ended(running.pop())
    assert prefetch.room(0) == 1


class Overdue:
    """Waits for what is overdue, in a thread."""

    def __init__(self, prefetch: Prefetch) -> None:
        self.jobs: list[Job] = []
        self._prefetch = prefetch
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        self.jobs = self._prefetch.overdue()

    def end(self) -> list[Job]:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.jobs


def test_what_waits_behind_long_tasks_is_overdue() -> None:
    prefetch = Prefetch(2, Clock())
    overdue = Overdue(prefetch)
    take(prefetch, 2)
    begin(prefetch)
    later(prefetch, 0.4)
    begin(prefetch)
    jobs = [job(), job()]
    prefetch.expect(2)
    prefetch.put(jobs, 2)
    # The second thread has been at its task for less than half a second.
    later(prefetch, 0.4)
    assert not overdue.jobs
    later(prefetch, 0.2)
    assert overdue.end() == jobs
    # As long as others cannot have them, they count.
    assert prefetch.room(0) == 0
    prefetch.handed_back(jobs)
    # What comes now is at once.
    take(prefetch, 1)
    assert len(Overdue(prefetch).end()) == 1


def test_what_a_free_thread_will_take_is_not_overdue() -> None:
    prefetch = Prefetch(2, Clock())
    take(prefetch, 1)
    begin(prefetch)
    later(prefetch, 10)
    take(prefetch, 1)
    overdue = Overdue(prefetch)
    begin(prefetch)
    prefetch.close()
    assert overdue.end() == []


def test_without_a_row_an_attempt_is_spared_once() -> None:
    prefetch = Prefetch(1, Clock())
    take(prefetch, 1)
    begin(prefetch)
    later(prefetch, 10)
    again, first = job(receive_count=2), job()
    prefetch.expect(2)
    prefetch.put([again, first], 2)
    assert Overdue(prefetch).end() == [first]
    assert prefetch.take_back() == [again]
