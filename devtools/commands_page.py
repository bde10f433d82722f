"""Renders docs/reference/commands.rst from the commands: ``make docs-commands``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from nereid_async.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "commands.rst"

_COLUMNS = 88
_HEAD = """\
.. Made by `make docs-commands` from nereid_async/cli/.

Commands
========

Each is there twice: ``nereid-async COMMAND -c trytond.conf -d DATABASE``, and ``flask
async COMMAND`` for the app that Flask finds (``flask --app APP async COMMAND``), which
knows the database and the settings, and has no ``-c``, ``-d`` and ``--app`` of ours.
``setup-shop`` is there without Flask only, for it makes what an app needs. ``-c`` may
be left out where the environment has ``TRYTOND_CONFIG``.
"""


def rendered() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *_commands(main, ("nereid-async",), "-")]).rstrip() + "\n"


def _commands(group: click.Group, path: tuple[str, ...], line: str) -> Iterator[str]:
    for name in sorted(group.commands):
        command, names = group.commands[name], (*path, name)
        title = " ".join(names)
        yield f"{title}\n{line * len(title)}\n"
        yield _text(command.help or "")
        if isinstance(command, click.Group):
            yield from _commands(command, names, "~")
        else:
            yield from _parameters(command, names)


def _parameters(command: click.Command, names: tuple[str, ...]) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(names))
    usage = " ".join([*names, *command.collect_usage_pieces(context)])
    yield f"::\n\n    {usage}\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in record[0]:
            yield f"``{record[0]}``\n{textwrap.indent(_text(record[1]), '   ')}"


def _text(text: str) -> str:
    """Paragraphs; a word with an asterisk would be emphasis."""
    paragraphs = textwrap.dedent(text).replace("*", r"\*").split("\n\n")
    filled = (
        textwrap.fill(" ".join(it.split()), _COLUMNS - 3, break_on_hyphens=False)
        for it in paragraphs
    )
    return "\n\n".join(filled) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
