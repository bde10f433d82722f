"""Tryton's configuration: in 7.0 an object of its module, since 7.4 the module."""

from __future__ import annotations

import os
from configparser import RawConfigParser
from typing import Any

import trytond.config

config: Any = vars(trytond.config).get("config", trytond.config)


def of_environment() -> RawConfigParser:
    """What trytond takes from the environment, apart from its files.

    Empty where trytond has no parser to ask.
    """
    found = RawConfigParser()
    parser = vars(trytond.config).get("TrytonConfigParser")
    if parser is not None:
        parser.update_environ(found)
    return found


def make_path_absolute() -> None:
    """Let ``path = .`` of a trytond.conf with SQLite mean this folder.

    trytond opens what is not absolute below the root of the file system.
    """
    path = config.get("database", "path", default="")
    if path:
        config.set("database", "path", os.path.abspath(path))


def unnamed_database() -> str:
    """What to add to an error of a database, if nobody has said where databases are."""
    default = ("sqlite://", os.path.join(os.path.expanduser("~"), "db"))
    if (config.get("database", "uri"), config.get("database", "path")) != default:
        return ""
    return "; no trytond.conf says where it is: set TRYTOND_CONFIG, or give -c"
