"""Errors of the load of an app, as what loads it shows them without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ConfigurationError, DatabaseUnavailable
from ..start import explained

_NO_NEREID = (
    "Nereid cannot be imported: {}; install it with what it needs: pip install "
    "'nereid_async[nereid-parts]', and then pip install --no-deps m9s-nereid "
    "m9s-nereid-base"
)


@contextmanager
def told_in_a_line() -> Iterator[None]:
    """Let flask's commands and gunicorn print a line for what a user can mend.

    :raises ConfigurationError: the installation, a setting or the database is at fault.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    try:
        with explained():
            yield
    except (ConfigurationError, DatabaseUnavailable) as error:
        raise _as_loader_takes_it(error) from error.__cause__


def _as_loader_takes_it(error: Exception) -> Exception:
    """The error itself, or with gunicorn one that is also of gunicorn's classes.

    Each server has classes of its own for an app that cannot be loaded, which it prints
    without a traceback. (flask's commands do so for click's, which the error has.)
    """
    gunicorn = sys.modules.get("gunicorn.errors")
    if gunicorn is None:
        return error
    kind = type(error)
    # RuntimeError is what it takes with preload_app.
    bases = (kind, gunicorn.AppImportError, RuntimeError)
    shown: Any = type(kind.__name__, bases, {"__module__": kind.__module__})
    loaded: Exception = shown(str(error))
    return loaded


@contextmanager
def importing_nereid() -> Iterator[None]:
    """Say how Nereid is installed.

    :raises ConfigurationError: it cannot be imported.
    """
    try:
        # It imports the driver of the database, too.
        with explained():
            yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(_NO_NEREID.format(error)) from error
