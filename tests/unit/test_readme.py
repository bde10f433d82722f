"""The pages keep pace with the code, and can be read."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path

import docutils.core
import pytest

from nereid_async.settings import Settings

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.rst").read_text()
PAGES = sorted([*PROJECT.glob("*.rst"), *PROJECT.glob("docs/*.rst")])


@pytest.mark.parametrize("option", [field.name for field in fields(Settings)])
def test_every_setting_is_in_the_table(option: str) -> None:
    assert f"\n``{option.upper()}``" in README


def test_its_table_names_no_other() -> None:
    table = README.partition("``ASYNC_…``")[2].partition("\n\n")[0]
    named = {
        line.split("``")[1] for line in table.splitlines() if line.startswith("``")
    }
    assert named == {field.name.upper() for field in fields(Settings)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))
def test_pages_are_well_formed(path: Path) -> None:
    errors = io.StringIO()
    docutils.core.publish_string(
        path.read_text(),
        source_path=str(path),
        settings_overrides={"report_level": 2, "warning_stream": errors},
    )
    assert errors.getvalue() == ""
