"""Tryton's configuration file in the data folder: written once, loaded at start."""

from __future__ import annotations

import configparser
import warnings

from .folder import DataFolder, NotSetUp, write_private

#: Without SMTP server: the demo picks a port at each start and hands it to its
#: processes in the environment (TRYTOND_EMAIL__URI).
_TEMPLATE = """\
[database]
uri = {uri}
path = {path}
# A worker wants one connection for each of its threads.
minconn = 8

[email]
from = Northwharf Coffee <coffee@northwharf.example>
"""


class ConfigurationMismatch(Exception):
    """The data folder belongs to another database than the one asked for."""


def write(folder: DataFolder, uri: str | None) -> None:
    """Write trytond.conf, unless it is there.

    :param uri: of the database server, without database name; None stands for
        SQLite in the data folder.
    :raises ConfigurationMismatch: the file is there and names another server.
    """
    file = folder.tryton_conf
    if not file.exists():
        text = _TEMPLATE.format(uri=uri or "sqlite://", path=folder.path)
        write_private(file, text)
        return
    found = configparser.ConfigParser(interpolation=None)
    found.read(file)
    if uri is not None and found["database"]["uri"] != uri:
        raise ConfigurationMismatch(
            f"{file} names another database server than EXAMPLE_DATABASE_URI: "
            f"choose another data folder."
        )
    path = found["database"]["path"]
    if path != str(folder.path):  # The folder was moved.
        text = file.read_text().replace(f"path = {path}", f"path = {folder.path}")
        write_private(file, text)


def load(folder: DataFolder) -> None:
    """Load trytond.conf; what the environment says (TRYTOND_...) wins.

    Must come before the modules of Tryton that choose the database backend are
    imported.

    :raises NotSetUp: there is no such file.
    """
    from trytond.config import config

    if not folder.tryton_conf.exists():
        raise NotSetUp(folder.path)
    config.update_etc(str(folder.tryton_conf))
    config.update_environ()
    _ignore_known_warnings()


def _ignore_known_warnings() -> None:
    """Keep quiet about what SQLite cannot alter; each start would tell it again."""
    # This module resets all filters when it is imported: have that behind us.
    with warnings.catch_warnings():
        import trytond.report.report  # noqa: F401

    warnings.filterwarnings("ignore", module=r"trytond\.backend\.sqlite")
