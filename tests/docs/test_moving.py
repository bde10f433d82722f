"""The pages about moving over: what their tables say stands on this side is there."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import docutils.nodes
import pytest

from nereid_async.settings import Settings
from tests.docs.test_samples import DOCS, check_command
from tests.pages import document

PAGES = sorted((DOCS / "how-to").glob("moving-from-*.rst"))
SETTINGS = {field.name for field in fields(Settings)}
OLD_SETTINGS = {
    "sqs_region",
    "sqs_access_key",
    "sqs_secret_key",
    "sqs_queue",
    "sqs_queue_owner",
    "sqs_queue_prefix",
}


def literals(page: str, column: int) -> list[str]:
    """What stands in literals in a column of the tables of a page."""
    tree = document(page)
    return [
        " ".join(literal.astext().split())
        for row in tree.findall(docutils.nodes.row)
        for literal in row[column].findall(docutils.nodes.literal)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda it: it.stem)
def test_commands_and_settings_exist(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trytond.conf").touch()
    found = literals(path.read_text(), -1)
    commands = [it.split() for it in found if it.startswith("nereid-async ")]
    for command in commands:
        check_command(*command)
    named = [it.removeprefix("ASYNC_").lower() for it in found if "ASYNC_" in it]
    assert set(named) <= SETTINGS


def test_every_old_setting_is_told_of() -> None:
    page = (DOCS / "how-to" / "moving-from-async-sqs.rst").read_text()
    told = {it for it in literals(page, 0) if it.startswith("sqs_")}
    assert told == OLD_SETTINGS <= SETTINGS
