"""The browser's module under Node's own test runner, one file after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.databases import PROJECT
from tests import javascript

HERE = Path(__file__).parent
FILES = sorted(path.name for path in HERE.glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES)
def test_client_js(file: str, record_property: Callable[[str, object], None]) -> None:
    names = javascript.run(HERE / file, PROJECT)
    record_property(javascript.PROPERTY, len(names))


TEST = "import test from 'node:test';\ntest('one', {}, () => {});\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "console.log('ok 1 - one');",
        "console.log('# pass 3');",
        TEST.replace("{}", "{skip: true}", 1),
        TEST.replace("{}", "{todo: true}", 1),
        "import {describe} from 'node:test';\ndescribe('several', () => {});\n",
    ],
    ids=["empty", "printed", "printed-sum", "skipped", "to-do", "suite"],
)
def test_a_file_of_which_no_test_runs_is_a_failure(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plant.test.mjs"
    file.write_text(text)
    with pytest.raises(AssertionError, match="no test has run"):
        javascript.run(file, tmp_path)


def test_each_test_is_counted_once(tmp_path: Path) -> None:
    file = tmp_path / "plant.test.mjs"
    file.write_text(
        "import test, {describe} from 'node:test';\n"
        "test('one', () => {});\n"
        "describe('several', () => { test('two', () => {}); test('three'); });\n"
    )
    assert sorted(javascript.run(file, tmp_path)) == ["one", "three", "two"]
