"""What set-up does to a database as a whole: look for it, create, drop, rename."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from .folder import DataFolder


class Databases(Protocol):
    """The databases of one server, or the files in one folder."""

    def exists(self, name: str) -> bool: ...

    def create(self, name: str) -> None: ...

    def drop(self, name: str) -> None:
        """Remove it if it is there."""

    def rename(self, old: str, new: str) -> None: ...


class SQLite:
    """Files in the data folder."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def exists(self, name: str) -> bool:
        return self._folder.sqlite(name).exists()

    def create(self, name: str) -> None:
        self._folder.sqlite(name).touch(mode=0o600)

    def drop(self, name: str) -> None:
        file = self._folder.sqlite(name)
        for suffix in ("", "-journal", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)

    def rename(self, old: str, new: str) -> None:
        self._folder.sqlite(old).replace(self._folder.sqlite(new))


class PostgreSQL:
    """Databases of the server that trytond.conf names."""

    def exists(self, name: str) -> bool:
        with _cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def create(self, name: str) -> None:
        with _cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'unicode'"
            )

    def drop(self, name: str) -> None:
        with _cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')

    def rename(self, old: str, new: str) -> None:
        with _cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{old}" RENAME TO "{new}"')


@contextmanager
def _cursor() -> Iterator[Any]:
    """A cursor on the server's own database, outside any transaction."""
    from trytond.transaction import Transaction

    with Transaction().start(None, 0, close=True, autocommit=True) as transaction:
        with transaction.connection.cursor() as cursor:
            yield cursor
