"""README.rst keeps pace with the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from nereid_async.settings import Settings

README = (Path(__file__).parents[2] / "README.rst").read_text()


@pytest.mark.parametrize("option", [field.name for field in fields(Settings)])
def test_every_setting_is_in_the_table(option: str) -> None:
    assert f"\n``{option.upper()}``" in README


def test_its_table_names_no_other() -> None:
    table = README.partition("``ASYNC_…``")[2].partition("\n\n")[0]
    named = {
        line.split("``")[1] for line in table.splitlines() if line.startswith("``")
    }
    assert named == {field.name.upper() for field in fields(Settings)}
