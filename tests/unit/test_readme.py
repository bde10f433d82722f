"""The pages keep pace with the code, and can be read."""

from __future__ import annotations

import io
from pathlib import Path

import docutils.core
import pytest

from devtools import settings_page

PROJECT = Path(__file__).parents[2]
#: Those that are read as they are; ``make docs`` checks the pages in docs/.
PAGES = sorted([*PROJECT.glob("*.rst"), PROJECT / "tests" / "README.rst"])


def test_the_page_of_the_settings_is_up_to_date() -> None:
    """Else ``make docs-settings`` writes it."""
    assert settings_page.PAGE.read_text() == settings_page.rendered()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))
def test_pages_are_well_formed(path: Path) -> None:
    errors = io.StringIO()
    docutils.core.publish_string(
        path.read_text(),
        source_path=str(path),
        settings_overrides={"report_level": 2, "warning_stream": errors},
    )
    assert errors.getvalue() == ""
