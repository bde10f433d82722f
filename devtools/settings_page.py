"""Renders docs/reference/settings.rst from the settings: ``make docs-settings``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from nereid_async.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.rst"

_COLUMNS = 88
_HEAD = """\
.. Made by `make docs-settings` from nereid_async/settings/record.py.

Settings
========

A setting ``visibility_timeout`` is

* ``ASYNC_VISIBILITY_TIMEOUT`` in the web app's ``app.config``,
* ``visibility_timeout`` in ``trytond.conf``, section ``[async_sqs]``,
* ``TRYTOND_ASYNC_SQS__VISIBILITY_TIMEOUT`` in the environment.

``app.config`` wins, then the environment. The ``sqs_*`` settings are those of the old
module, and are also read from section ``[options]`` of ``trytond.conf``, where it
looked. An unknown setting, or a value of another type or out of its range, is an error
at start that names the setting and its place.
"""


def rendered() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *(_entry(option) for option in fields(Settings))])


def _entry(option: Field[Any]) -> str:
    lines = [option.name, "-" * len(option.name), ""]
    for name, text in _facts(option):
        indent = " " * len(f":{name}: ")
        lines += _wrapped(f":{name}: {text}", indent)
    text = re.sub(r"``docs/([\w/-]+)\.rst``", r":doc:`/\1`", option.metadata["doc"])
    return "\n".join([*lines, "", *_wrapped(text), ""])


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _COLUMNS, subsequent_indent=indent, break_on_hyphens=False
    )


def _facts(option: Field[Any]) -> Iterator[tuple[str, str]]:
    about = option.metadata
    yield "Type", about["parse"].kind
    if about["unit"]:
        yield "Unit", about["unit"]
    if about["parse"].range:
        yield "Range", about["parse"].range
    yield "Default", about["unset"] or f"``{_written(option.default)}``"


def _written(value: Any) -> str:
    """A value as trytond.conf has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
