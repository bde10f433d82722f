"""Create the data folder and the database, once.

``python -m example_app.setup_database --data data``. With EXAMPLE_DATABASE_URI
(``postgresql://user:password@host:port/``) the database is made on that server,
else with SQLite in the folder. What is there is kept.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import configuration
from .folder import DATABASE, DataFolder

#: The database has this name until it is complete.
UNFINISHED = f"{DATABASE}_unfinished"
MODULE = "example_shop"


def set_up(folder: DataFolder, uri: str | None = None) -> None:
    """Make the folder ready for the shop; safe to call again, or after a crash.

    Loads Tryton with the folder's configuration into this process.

    :param uri: of a database server; None stands for SQLite in the folder.
    :raises ConfigurationMismatch: the folder belongs to another server.
    """
    folder.create()
    with _locked(folder):
        configuration.write(folder, uri)
        configuration.load(folder)
        from trytond import backend

        from .databases import PostgreSQL, SQLite

        databases = PostgreSQL() if backend.name == "postgresql" else SQLite(folder)
        if databases.exists(DATABASE):
            return
        databases.drop(UNFINISHED)
        databases.create(UNFINISHED)
        begin = time.monotonic()
        print("Creating the database (once, some seconds) ...", flush=True)
        _fill(UNFINISHED)
        databases.rename(UNFINISHED, DATABASE)
        print(f"Done in {time.monotonic() - begin:.0f} s.", flush=True)


def _fill(name: str) -> None:
    """Create tables and records in an empty database, and let go of it."""
    from trytond.transaction import Transaction

    from nereid_async.shop import database

    from . import records

    with _modules_shown():
        database.activate(name, [MODULE])
    print("  site and sales", flush=True)
    with Transaction().start(name, 0):
        database.create_site(records.SHOP)
        records.create_sales(datetime.date.today())
    database.let_go(name)


class _ShowModule(logging.Handler):
    """Prints the names of the modules that trytond reports while it creates them."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.replace("_", "").isalnum():
            print(f"  {text}", flush=True)


@contextmanager
def _modules_shown() -> Iterator[None]:
    logger = logging.getLogger("trytond.modules")
    handler = _ShowModule(logging.INFO)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


@contextmanager
def _locked(folder: DataFolder) -> Iterator[None]:
    """Only one process at a time; a crash releases the lock."""
    with open(folder.lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder (default: EXAMPLE_DATA)")
    data = parser.parse_args(arguments).data
    folder = DataFolder(data.resolve()) if data else DataFolder.from_environment()
    try:
        set_up(folder, os.environ.get("EXAMPLE_DATABASE_URI") or None)
    except configuration.ConfigurationMismatch as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
