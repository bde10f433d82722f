"""Creates indexes that Tryton's own definitions cannot express."""

from __future__ import annotations

from trytond.transaction import Transaction


def create_indexes(*statements: str) -> None:
    """Execute statements that create or drop indexes, at an update of the module.

    Tryton's own definitions have no unique indexes, and no partial ones on SQLite. The
    names must differ from those that trytond drops as its own.
    """
    cursor = Transaction().connection.cursor()
    for statement in statements:
        cursor.execute(statement)
