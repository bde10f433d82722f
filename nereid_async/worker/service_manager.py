"""Tells systemd how a worker fares, as in ``sd_notify(3)``."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class ServiceManager:
    """The service manager that started this process, if it wants to be told.

    :param environment: that of the process. ``NOTIFY_SOCKET`` is where to tell;
        ``WATCHDOG_USEC`` is set where signs of life are expected.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
        self._watches = "WATCHDOG_USEC" in environment and meant_for == str(os.getpid())
        self._told: set[str] = set()

    def tell(self, status: str, *, draining: bool) -> None:
        """Give a sign of life, and tell what is new; the first time, that it is ready.

        Never raises.

        :param status: how the worker fares.
        :param draining: whether it was told to stop.
        """
        if not self._address:
            return
        # A line break would begin another assignment.
        line = " ".join(status.split())
        states = {"READY=1", f"STATUS={line}", *(["STOPPING=1"] if draining else ())}
        news = sorted(states - self._told)
        if self._watches:
            news.append("WATCHDOG=1")
        if news and self._send("\n".join(news)):
            self._told = states

    def _send(self, text: str) -> bool:
        # An address that begins with @ is in Linux's abstract namespace.
        address = self._address.replace("@", "\0", 1)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                # A manager that does not read must not hold the worker up.
                sender.setblocking(False)
                sender.sendto(text.encode("utf-8", "replace"), address)
        except OSError as error:
            logger.debug("%s cannot be told: %s", self._address, error)
            return False
        return True
