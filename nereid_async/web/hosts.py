"""Which website a host name stands for, as Nereid has found it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..database import connections
from ..errors import DatabaseUnavailable

Sites = dict[int, str]


def active_websites(database: str) -> Sites:
    """The names of the websites that are active, by their ids.

    :raises DatabaseUnavailable: they cannot be read now.
    """
    with connections.autocommit(database) as cursor:
        cursor.execute("SELECT id, name FROM nereid_website WHERE active")
        return dict(cursor.fetchall())


class Hosts:
    """Remembers what Nereid has found, while the websites are as they were then.

    Thread-safe. It looks at the websites once a second at most, and only when it is
    asked: one statement, on a connection beside Tryton's.

    :param database: name of the database.
    :param most: how many names are remembered; they come from outside.
    :param look: reads the active websites of a database.
    :ivar fresh_s: for how long what Nereid has found counts; a module may find websites
        in a way of its own.
    """

    #: The longest name there is (RFC 1035, section 2.3.4), and a port.
    _MAX_CHARS = 255 + len(":65535")
    _LOOK_EVERY_S = 1.0

    def __init__(
        self,
        database: str,
        most: int = 1_000,
        look: Callable[[str], Sites] = active_websites,
    ) -> None:
        self.fresh_s = 60.0
        self._database = database
        self._most = most
        self._read = look
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._found: dict[str, tuple[int, float]] = {}
        self._active: Sites | None = None
        self._look_at_s = 0.0

    def learn(self, host: str | None, website: int) -> None:
        """Note what Nereid has found for a request's Host; without one it guesses."""
        if not host or len(host) > self._MAX_CHARS:
            return
        with self._lock:
            # Again at the end: those not asked for lately are forgotten first.
            self._found.pop(host, None)
            self._found[host] = website, time.monotonic() + self.fresh_s
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]

    def website(self, host: str | None) -> int | None:
        """The website's id; None where only Nereid can tell."""
        website, until_s = self._found.get(host or "", (0, 0.0))
        if until_s < time.monotonic():
            return None
        self._look()
        return website if website in (self._active or ()) else None

    def _look(self) -> None:
        """See that the websites are as they were, else forget what was found."""
        if time.monotonic() < self._look_at_s:
            return
        # One thread looks; the others go on with what is known, if anything is.
        if not self._looking.acquire(blocking=self._active is None):
            return
        try:
            if time.monotonic() < self._look_at_s:
                return
            active = self._read(self._database)
            with self._lock:
                if self._active is not None and active != self._active:
                    self._found.clear()
                self._active = active
        except DatabaseUnavailable:
            # Whoever reads the task's row next tells the visitor.
            pass
        finally:
            self._look_at_s = time.monotonic() + self._LOOK_EVERY_S
            self._looking.release()
