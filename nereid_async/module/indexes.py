"""Indexes that Tryton's own definitions do not know."""

from __future__ import annotations

from trytond.transaction import Transaction


def create_indexes(*statements: str) -> None:
    """Run statements that make or drop indexes; at the update of the module.

    Tryton's own index definitions know no unique index, and no partial one on SQLite.
    The names keep clear of those that trytond drops as its own.
    """
    cursor = Transaction().connection.cursor()
    for statement in statements:
        cursor.execute(statement)
