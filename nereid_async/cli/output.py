"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def json_option(command: _Command) -> _Command:
    """The option ``--json``, as the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def limit_option(default: int, order: str = "") -> Callable[[_Command], _Command]:
    """The option ``--limit`` of a list, as the parameter ``limit``.

    :param order: which come first, for the help.
    """
    return click.option(
        "--limit",
        default=default,
        show_default=True,
        type=click.IntRange(1),
        help=f"How many at most{order}.",
    )


#: The order of ``--limit`` where the tasks deferred last come first.
LAST_FIRST = ", those deferred last first"


def echo_json(value: Any) -> None:
    """Print a value as JSON; what JSON does not have, as text."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def moment(at: Any) -> dt.datetime | None:
    """A time as the database has it, with its zone: UTC.

    :param at: a datetime, or its text, as SQLite has it; None for none.
    """
    if at is None:
        return None
    found = at if isinstance(at, dt.datetime) else dt.datetime.fromisoformat(str(at))
    return found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)


def iso(at: Any) -> str | None:
    """A time of the database for scripts: ISO 8601 with its zone."""
    found = moment(at)
    return None if found is None else found.isoformat(timespec="milliseconds")


def second(at: Any) -> str | None:
    """A time of the database for people: UTC, to the second."""
    found = moment(at)
    return None if found is None else f"{found:%Y-%m-%d %H:%M:%S}"


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
    elif not results:
        click.echo("nothing to do: none is chosen so", err=True)
    if not all(it["done"] for it in results):
        sys.exit(1)


class Styled(NamedTuple):
    """A cell of a table in a style, which a pipe does not get.

    :ivar style: as :func:`click.style` takes it.
    """

    value: Any
    style: dict[str, Any]


def coloured(value: Any, colour: str | None) -> Any:
    """A cell in a colour; as it is without one."""
    return value if colour is None else Styled(value, {"fg": colour})


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows of values in columns below headings; numbers are aligned to the right.

    :param rows: a cell is a value, or :class:`Styled`.
    """
    cells = [[_plain(it) for it in row] for row in rows]
    texts = [
        ["-" if it.value is None else str(it.value) for it in row] for row in cells
    ]
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    numbers = [
        bool(rows)
        and all(isinstance(row[i].value, (int, float, type(None))) for row in cells)
        for i in range(len(headings))
    ]
    last = len(headings) - 1

    def aligned(texts: Sequence[str]) -> list[str]:
        return [
            text.rjust(width) if number else text if i == last else text.ljust(width)
            for i, (text, width, number) in enumerate(
                zip(texts, widths, numbers, strict=True)
            )
        ]

    lines = [click.style("  ".join(aligned(headings)).rstrip(), bold=True)]
    for row, row_texts in zip(cells, texts, strict=True):
        styled = zip(aligned(row_texts), row, strict=True)
        lines.append(
            "  ".join(
                click.style(text, **it.style) if it.style else text
                for text, it in styled
            ).rstrip()
        )
    return "\n".join(lines)


def _plain(cell: Any) -> Styled:
    return cell if isinstance(cell, Styled) else Styled(cell, {})
