"""The database of a storm, which may be away."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2

from devtools.servers import PostgreSQL

#: What a look may meet while the database is away, or goes.
Away = psycopg2.Error


class Database:
    """Looks into a database by a connection of its own each time.

    :param server: where it is.
    """

    def __init__(self, server: PostgreSQL, name: str) -> None:
        self.server = server
        self.name = name

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement, which may write even if sessions do not by default.

        :raises Away: the database does not answer now.
        """
        with closing(
            psycopg2.connect(
                self.server.uri + self.name,
                connect_timeout=5,
                options="-c default_transaction_read_only=off",
            )
        ) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])

    def texts(self, statement: str) -> list[str]:
        """The first column of what a statement gives."""
        return [row[0] for row in self.query(statement)]
