"""How buttons and wizards act: on rows, with errors that the client shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trytond.exceptions import UserError

from nereid_async.errors import NereidAsyncError
from nereid_async.runtime import Runtime, current


@contextmanager
def acting() -> Iterator[Runtime]:
    """The runtime of the open transaction's database.

    :raises UserError: in place of an error of ours.
    """
    try:
        yield current()
    except NereidAsyncError as error:
        raise UserError(str(error)) from error
