"""The start of a process: it reads trytond.conf, and says what its user can mend."""

from __future__ import annotations

import configparser
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from .errors import ConfigurationError, NereidAsyncError
from .texts import one_line


def read_config(files: Sequence[str] = ()) -> None:
    """Read trytond.conf, before anything imports trytond's backend.

    :param files: besides the one that TRYTOND_CONFIG names.
    :raises ConfigurationError: a file is no trytond.conf.
    """
    try:
        # trytond reads the file of TRYTOND_CONFIG when it is imported.
        from .tryton_config import config, make_path_absolute

        if files:
            config.update_etc(list(files))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"trytond.conf: {one_line(error)}") from error
    make_path_absolute()
    _ignore_warning_of_passlib()


def _ignore_warning_of_passlib() -> None:
    """Load trytond's reports, which reset all filters, and set this one after it."""
    # trytond resets all filters when it loads its reports, also those by which Python
    # shows the deprecations of libraries to their developers only.
    import trytond.report  # noqa: F401

    warnings.filterwarnings(
        "ignore", "'crypt' is deprecated", DeprecationWarning, r"passlib\."
    )


@contextmanager
def explained() -> Iterator[None]:
    """Say in a line what is wrong with the installation or the database.

    :raises ConfigurationError: in place of an error that the user can mend.
    """
    # Without trytond's own traceback of a failed connection.
    logging.getLogger("trytond.backend.postgresql.database").addFilter(_untraced)
    try:
        yield
    except (NereidAsyncError, click.ClickException):
        raise
    except Exception as error:
        explanation = _explanation(error)
        if not explanation:
            raise
        raise ConfigurationError(explanation) from error


def _explanation(error: Exception) -> str:
    """What is wrong and the way out; empty for an error that is none of these."""
    if isinstance(error, ModuleNotFoundError):
        # Tryton 8.0 has the second one.
        return _NO_DRIVER if error.name in ("psycopg2", "psycopg") else ""
    if isinstance(error, FileNotFoundError):
        return _missing_module(Path(error.filename or ""))
    # Imported late, as all of trytond.
    from trytond import backend

    from .database.errors import is_missing_table
    from .tryton_config import unnamed_database

    if is_missing_table(error):
        return (
            f"database: {one_line(error)}; it has no Tryton in it, or not this "
            "version; make it, or update it: trytond-admin -c trytond.conf -d "
            "DATABASE -u async_sqs"
        )
    if isinstance(error, backend.DatabaseOperationalError):
        return f"database: {error}{unnamed_database()}"
    return ""


_NO_DRIVER = (
    "the driver of PostgreSQL is not installed; install it: pip install "
    "'nereid_async[postgresql]'"
)


def _missing_module(path: Path) -> str:
    """Explain that trytond looks for the file of a module that is not here."""
    if path.name != "tryton.cfg":
        return ""
    return (
        f"there is no Tryton module {path.parent.name!r} here: install the package "
        "that names it in its entry points trytond.modules (pip install -e .)"
    )


def _untraced(record: logging.LogRecord) -> bool:
    return not record.exc_info
