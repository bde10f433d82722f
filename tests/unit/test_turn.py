"""One turn among processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nereid_async.worker import turn as turns
from nereid_async.worker.turn import Turn


@pytest.fixture
def bell() -> Iterator[tuple[int, int]]:
    read_fd, write_fd = os.pipe()
    yield read_fd, write_fd
    os.close(read_fd)
    os.close(write_fd)


def test_one_has_it_at_a_time(bell: tuple[int, int]) -> None:
    turn = Turn()
    assert turn.take(0, bell[0])
    assert not turn.take(0, bell[0])
    turn.pass_on()
    assert turn.take(0, bell[0])


def test_two_of_them_become_one(bell: tuple[int, int]) -> None:
    turn = Turn()
    turn.pass_on()
    assert turn.take(0, bell[0])
    assert not turn.take(0, bell[0])


def test_the_bell_comes_first(bell: tuple[int, int]) -> None:
    turn = Turn()
    os.write(bell[1], b"!")
    assert not turn.take(60, bell[0])
    assert os.read(bell[0], 1) == b"!"
    assert turn.take(0, bell[0])


def test_one_that_is_lost_is_made_anew(
    bell: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_LOST_AFTER_S", 0.02)
    turn = Turn()
    assert turn.take(0, bell[0])
    assert [turn.take(0.01, bell[0]) for _ in range(4)] == [False, True, False, True]
    turn.pass_on()
    assert turn.take(0, bell[0])


def test_it_is_shared_with_a_fork(bell: tuple[int, int]) -> None:
    turn = Turn()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if turn.take(0, bell[0]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    # It died with the turn.
    assert not turn.take(0, bell[0])
