"""How buttons and wizards act: on rows, with errors that the client shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trytond.exceptions import UserError

from nereid_async.errors import ConfigurationError, NereidAsyncError
from nereid_async.runtime import Runtime, current


@contextmanager
def acting() -> Iterator[Runtime]:
    """The runtime of the open transaction's database, which has rows.

    :raises UserError: in place of an error of ours.
    """
    try:
        runtime = current()
        if runtime.rows is None:
            raise ConfigurationError(
                "without an outbox, tasks have no rows. Set outbox = yes"
            )
        yield runtime
    except NereidAsyncError as error:
        raise UserError(str(error)) from error
