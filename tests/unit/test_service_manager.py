"""What systemd is told, by a socket of its kind."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nereid_async.worker.service_manager import ServiceManager


@pytest.fixture(params=["file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What stands in NOTIFY_SOCKET."""
    if request.param == "file":
        return str(tmp_path / "notify")
    return f"@nereid_async-{secrets.token_hex(8)}"


@pytest.fixture
def told(address: str) -> Iterator[socket.socket]:
    """What listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1))
        listener.settimeout(5)
        yield listener


def lines(told: socket.socket) -> list[str]:
    return told.recv(4096).decode().split("\n")


def test_each_news_is_told_once_and_a_sign_of_life_always(
    address: str, told: socket.socket
) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
    manager.tell("ok", draining=False)
    assert lines(told) == ["READY=1", "STATUS=ok", "WATCHDOG=1"]
    manager.tell("ok", draining=False)
    assert lines(told) == ["WATCHDOG=1"]
    manager.tell("busy: x\nMAINPID=1", draining=False)
    assert lines(told) == ["STATUS=busy: x MAINPID=1", "WATCHDOG=1"]
    manager.tell("draining", draining=True)
    assert lines(told) == ["STATUS=draining", "STOPPING=1", "WATCHDOG=1"]


@pytest.mark.parametrize("address", ["file"], indirect=True)
def test_a_watchdog_of_another_process(address: str, told: socket.socket) -> None:
    manager = ServiceManager(
        {
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": "60000000",
            "WATCHDOG_PID": str(os.getppid()),
        }
    )
    manager.tell("ok", draining=False)
    assert lines(told) == ["READY=1", "STATUS=ok"]
    manager.tell("ok", draining=False)
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(4096)


def test_who_does_not_listen_is_told_later(tmp_path: Path) -> None:
    ServiceManager({}).tell("ok", draining=False)
    path = tmp_path / "notify"
    manager = ServiceManager({"NOTIFY_SOCKET": str(path)})
    manager.tell("ok", draining=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as late:
        late.bind(str(path))
        late.settimeout(5)
        manager.tell("ok", draining=False)
        assert lines(late) == ["READY=1", "STATUS=ok"]
