"""The pages keep pace with the code, and can be read."""

from __future__ import annotations

import io
import re
from pathlib import Path

import docutils.core
import pytest

from devtools import commands_page, settings_page
from nereid_async import errors
from nereid_async.cli import main

PROJECT = Path(__file__).parents[2]
#: Those that are read as they are; ``make docs`` checks the pages in docs/.
PAGES = sorted([*PROJECT.glob("*.rst"), PROJECT / "tests" / "README.rst"])


def test_the_page_of_the_settings_is_up_to_date() -> None:
    """Else ``make docs-settings`` writes it."""
    assert settings_page.PAGE.read_text() == settings_page.rendered()


def test_the_page_of_the_commands_is_up_to_date() -> None:
    """Else ``make docs-commands`` writes it."""
    assert commands_page.PAGE.read_text() == commands_page.rendered()


def test_what_a_command_is_for_fits_on_a_line() -> None:
    """In the list that ``nereid-async --help`` prints on a terminal of 80 columns."""
    columns = 80 - 6 - max(map(len, main.commands))
    told = [it.get_short_help_str(columns) for it in main.commands.values()]
    assert [it for it in told if it.endswith("...")] == []


def test_the_page_of_the_errors_has_each() -> None:
    """With its cause and how to mend it."""
    page = (PROJECT / "docs" / "reference" / "errors.rst").read_text()
    told = dict(re.findall(r"^``(\w+)``\n((?:   .+\n)+)", page, re.M))
    classes = {
        name: it
        for name, it in vars(errors).items()
        if isinstance(it, type) and it.__module__ == errors.__name__
    }
    assert set(told) | {"NereidAsyncError"} == set(classes)
    bases = {base for it in classes.values() for base in it.__bases__}
    unmended = {it for it in told if "*Mend*" not in told[it]}
    assert unmended <= {base.__name__ for base in bases}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))
def test_pages_are_well_formed(path: Path) -> None:
    errors = io.StringIO()
    docutils.core.publish_string(
        path.read_text(),
        source_path=str(path),
        settings_overrides={"report_level": 2, "warning_stream": errors},
    )
    assert errors.getvalue() == ""
