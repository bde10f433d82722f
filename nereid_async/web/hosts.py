"""Remembers which website Nereid has found for a host name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..database import connections
from ..errors import DatabaseUnavailable

Sites = dict[int, str]


def active_websites(database: str) -> Sites:
    """The names of the active websites, by id.

    :raises DatabaseUnavailable: they cannot be read now.
    """
    with connections.autocommit(database) as cursor:
        cursor.execute("SELECT id, name FROM nereid_website WHERE active")
        return dict(cursor.fetchall())


class Hosts:
    """The websites of host names, as Nereid has found them. Thread-safe.

    Forgets them when the websites change. It reads these once a second at most, when a
    website is asked for: by one statement, on a connection of its own.

    :param database: name of the database.
    :param most: number of host names to remember; they are chosen by clients.
    :param look: reads the active websites of a database.
    :ivar fresh_s: how long a finding of Nereid's is valid, in seconds; a module may
        find websites in a way of its own.
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
        """Note the website that Nereid has found for the Host of a request.

        :param host: the Host header; without one Nereid has guessed.
        :param website: id of the website.
        """
        if not host or len(host) > self._MAX_CHARS:
            return
        with self._lock:
            # Put at the end: the host learned longest ago is forgotten first.
            self._found.pop(host, None)
            self._found[host] = website, time.monotonic() + self.fresh_s
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]

    def website(self, host: str | None) -> int | None:
        """The id of a host's website; None if only Nereid can tell."""
        website, until_s = self._found.get(host or "", (0, 0.0))
        if until_s < time.monotonic():
            return None
        self._look()
        return website if website in (self._active or ()) else None

    def _look(self) -> None:
        """Read the websites if it is time to; forget all findings if they changed."""
        if time.monotonic() < self._look_at_s:
            return
        # One thread reads; the others go on with what is known, if anything is.
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
            # The read of the task's row, which follows, answers 503.
            pass
        finally:
            self._look_at_s = time.monotonic() + self._LOOK_EVERY_S
            self._looking.release()
