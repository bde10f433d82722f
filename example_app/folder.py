"""The data folder: everything the example keeps, and where it lies in there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

#: The name of the database, on SQLite and on PostgreSQL.
DATABASE = "example"


class NotSetUp(click.ClickException):
    """The data folder lacks what set-up creates. Shown as one line by flask."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The data folder {folder} is not set up. Run "
            f"'python -m example_app.setup_database --data {folder}', or name "
            f"another folder in the environment variable EXAMPLE_DATA."
        )


@dataclass(frozen=True)
class DataFolder:
    """Paths below one folder. The folder is readable by its owner only.

    :param path: need not exist yet.
    """

    path: Path

    @classmethod
    def from_environment(cls) -> DataFolder:
        """The folder named by EXAMPLE_DATA, by default ``data`` right here."""
        return cls(Path(os.environ.get("EXAMPLE_DATA") or "data").resolve())

    @property
    def tryton_conf(self) -> Path:
        return self.path / "trytond.conf"

    @property
    def mailbox(self) -> Path:
        """A Maildir; the development mail server creates it."""
        return self.path / "mailbox"

    @property
    def lock(self) -> Path:
        return self.path / "setup.lock"

    def sqlite(self, database: str) -> Path:
        return self.path / f"{database}.sqlite"

    def create(self) -> None:
        """Create the folder; keep what is there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a whole file or none, with mode 0600."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(file, "w") as stream:
        stream.write(text)
    draft.replace(path)
