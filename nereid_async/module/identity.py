"""The table ``async.identity``: one row, which tells a database from its copy."""

from __future__ import annotations

from trytond.model import ModelSQL, fields
from trytond.transaction import Transaction

from nereid_async.database import connections
from nereid_async.rows.identity import IdentityRows


class Identity(ModelSQL):
    "Identity of the Database"

    __name__ = "async.identity"
    __string__ = __doc__

    uuid = fields.Char("Identity", required=True, readonly=True)

    @classmethod
    def __register__(cls, module_name: str) -> None:
        super().__register__(module_name)
        transaction = Transaction()
        rows = IdentityRows(transaction.database.name)
        rows.make_identity(connections.cursor_of(transaction))
