"""The driver of PostgreSQL, which Tryton's series decides."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

from .. import versions


class Driver(Protocol):
    """What differs between the drivers, and between trytond's pools on them."""

    def keep(self, database_name: str, number: int) -> None:
        """Let trytond's pool keep ``number`` connections open."""

    def close(self, database_name: str) -> None:
        """Close trytond's pool. Also while the server is away."""

    def connect(self, database_name: str) -> Any:
        """Make a connection in autocommit mode, at READ COMMITTED.

        :raises Exception: the driver's error if there is no connection to be had.
        """

    def connect_anew(self, database_name: str) -> Any:
        """Make a connection from the present configuration, which may have changed.

        :raises Exception: the driver's error if there is no connection to be had.
        """

    def disconnect(self, database_name: str, connection: Any) -> None:
        """Close a connection. Never raises."""

    def forget_idle(self, database_name: str) -> None:
        """Close trytond's idle connections. Never raises."""

    def is_lost(self, error: BaseException) -> bool:
        """Whether a DatabaseOperationalError ended a transaction with its connection.

        So that another try would meet the same server. In 7.0 that is seen when it
        begins, since trytond asks the server something there.
        """

    def discard(self, transaction: Any) -> None:
        """Let trytond close the connection of a transaction when that ends."""

    def cursor(self, connection: Any) -> Any:
        """A cursor for statements as psycopg 2 takes them.

        It writes parameters into the statement, which may be several ones, and has the
        result of the last one.
        """

    def hear(self, connection: Any) -> list[str]:
        """Take the notifications that have arrived; their payloads."""

    def connect_through_gate(self) -> None:
        """Let pools without a lock connect through the gate of :mod:`.fork_gate`.

        Called before this process has a pool.
        """

    def locks(self) -> list[Any]:
        """The locks under which threads of this process connect."""

    def open_connections(self) -> list[Any]:
        """All connections of this process; in a child, the parent's."""


@lru_cache(maxsize=1)
def driver() -> Driver:
    """The driver that trytond uses. Only where its backend is PostgreSQL."""
    # Imported here: an installation has one of them, and none with SQLite.
    if versions.series() == "7.0":
        from . import psycopg_2

        return psycopg_2
    from . import psycopg_3

    return psycopg_3
