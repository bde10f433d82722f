"""The two groups of commands; a command is declared once, for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from .loading import app_runtime, database_runtime

_Command = TypeVar("_Command", bound=Callable[..., None])


@click.group("async")
def flask_group() -> None:
    """Asynchronous tasks."""


@click.group()
@click.version_option(package_name="nereid_async")
def main() -> None:
    """Asynchronous tasks of a Tryton database."""


@dataclass(frozen=True)
class Groups:
    """A group of ``flask async`` and its twin of ``nereid-async``."""

    flask: click.Group
    tryton: click.Group

    def command(self, name: str) -> Callable[[_Command], _Command]:
        """Declare a command of both.

        What it decorates takes the runtime, and the values of its click options.
        """

        def declare(function: _Command) -> _Command:
            self.flask.command(name)(app_runtime(function))
            self.tryton.command(name)(database_runtime(function))
            return function

        return declare

    def group(self, name: str, help: str) -> Groups:
        """Declare a group within both."""
        made: Any = [it.group(name, help=help)(_nothing) for it in self._both]
        return Groups(*made)

    @property
    def _both(self) -> tuple[click.Group, click.Group]:
        return self.flask, self.tryton


def _nothing() -> None:
    """A group does nothing itself."""


commands = Groups(flask_group, main)
