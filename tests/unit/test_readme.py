"""The pages keep pace with the code, and can be read."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path

import docutils.core
import pytest

from devtools import settings_page
from nereid_async.settings import Settings

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.rst").read_text()
#: Those that are read as they are; ``make docs`` checks the pages in docs/.
PAGES = sorted([*PROJECT.glob("*.rst"), PROJECT / "tests" / "README.rst"])


def test_the_page_of_the_settings_is_up_to_date() -> None:
    """Else ``make docs-settings`` writes it."""
    assert settings_page.PAGE.read_text() == settings_page.rendered()


def test_the_table_of_the_readme_names_settings_only() -> None:
    table = README.partition("``ASYNC_…``")[2].partition("\n\n")[0]
    named = {
        line.split("``")[1] for line in table.splitlines() if line.startswith("``")
    }
    assert named
    assert named <= {field.name.upper() for field in fields(Settings)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))
def test_pages_are_well_formed(path: Path) -> None:
    errors = io.StringIO()
    docutils.core.publish_string(
        path.read_text(),
        source_path=str(path),
        settings_overrides={"report_level": 2, "warning_stream": errors},
    )
    assert errors.getvalue() == ""
