"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def json_option(command: _Command) -> _Command:
    """The option ``--json``, as the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def echo_json(value: Any) -> None:
    """Print a value as JSON; what JSON does not have, as text."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def report(told: Iterable[tuple[str, bool, str]], as_json: bool) -> None:
    """Print what became of each id; exit with code 1 if one was left as it was.

    :param told: the id, whether that was done, and a text.
    """
    results = []
    for name, done, text in told:
        results.append({"id": name, "done": done, "text": text})
        if not as_json:
            click.secho(f"{name}: {text}", fg=None if done else "yellow")
    if as_json:
        echo_json(results)
    if not all(it["done"] for it in results):
        sys.exit(1)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows of values in columns below headings; numbers are aligned to the right."""
    texts = [["-" if it is None else str(it) for it in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    numbers = [
        bool(rows) and all(isinstance(row[i], (int, float, type(None))) for row in rows)
        for i in range(len(headings))
    ]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, numbers, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([click.style(line(headings), bold=True), *map(line, texts)])
