"""The simulation that docs/explanation/scaling.rst cites."""

from __future__ import annotations

import pytest

from benchmarks import simulation
from devtools.databases import PROJECT

PAGE = PROJECT / "docs" / "explanation" / "scaling.rst"


def test_the_page_has_what_the_simulation_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulation.main()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(simulation.CASES) + 1
    page = PAGE.read_text()
    assert [line for line in printed if f"    {line}\n" not in page] == []
