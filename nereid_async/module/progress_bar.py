"""The bar of what is being done, in the client."""

from __future__ import annotations

from trytond.model import fields
from trytond.pyson import Eval


def progress_bar(getter: str) -> fields.Function:
    """The function field ``progress``: a number from 0 to 1.

    :param getter: name of the method that reads it.
    """
    return fields.Function(
        fields.Float(
            "Progress",
            digits=(1, 4),
            # Clients show an empty bar as a full one.
            states={"invisible": ~Eval("progress", 0)},
        ),
        getter,
    )
