"""What an operator sees on a terminal: colours there, plain text in a pipe.

The pictures are those of the documentation.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from devtools import terminal
from devtools.databases import PROJECT
from devtools.processes import script
from tests.fixtures.chromium import PICTURES, NewContext
from tests.helpers import wait_until

pytestmark = [
    pytest.mark.backends("sqlite"),
    pytest.mark.parametrize("shop", ["database"], indirect=True),
]

#: Declined cards, and reports for which no worker is there.
DEFERS = """
from example_app import create_app
from trytond.pool import Pool
from trytond.transaction import Transaction
app = create_app()
with app.app_context():
    with Transaction().start(app.database_name, 1):
        Office = Pool().get('example.back_office')
        Report = Pool().get('example.sales_report')
        for _ in range(3):
            Office.charge_card.defer()
        Office.take_stock.configure(delay=600).defer()
        for year in (2024, 2025):
            Report.build.configure(queue='reports').defer(year)
        Report.build.configure(queue='yearly').defer(2023)
"""

SHOP = "flask --app example_app async"


class Operator:
    """Types commands into a terminal in the shop's folder, and in a pipe."""

    def __init__(self, data: Path, page: Page) -> None:
        self._env = {"EXAMPLE_DATA": str(data), "COLUMNS": "140"}
        self._page = page

    def sees(self, name: str, words: str, *, watched: bool = False) -> str:
        """What a terminal shows; there is a picture of it, too."""
        shown = terminal.run(
            self._command(words),
            columns=140,
            env=self._env,
            cwd=PROJECT,
            until=(lambda text: text.count("paused since") >= 2) if watched else None,
        )
        path = PICTURES / f"terminal-{name}.png"
        terminal.picture(self._page, path, f"{SHOP} {words}", shown)
        return shown

    def pipes(self, words: str) -> str:
        """What a pipe gets."""
        done = subprocess.run(
            self._command(words),
            env={**os.environ, **self._env},
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def _command(self, words: str) -> list[str]:
        first, *rest = SHOP.split()
        return [str(script(first)), *rest, *words.split()]


@pytest.fixture
def operator(shop: int, data: Path, new_context: NewContext) -> Operator:
    """An operator of a shop where some tasks have failed, and some wait."""
    subprocess.run(
        [sys.executable, "-c", DEFERS],
        env={**os.environ, "EXAMPLE_DATA": str(data)},
        cwd=PROJECT,
        check=True,
    )
    page = new_context(device_scale_factor=2).new_page()
    return Operator(data, page)


def test_a_terminal(operator: Operator) -> None:
    wait_until(lambda: operator.pipes("failed").count("charge_card") == 3, 90)
    operator.pipes("pause yearly")
    status = operator.sees("status", "status --watch 1", watched=True)
    failed = operator.sees("failed", "failed")
    check = operator.sees("check", "check")
    # Red: three have failed, and nobody works on the reports.
    assert "\x1b[31m" in status and "reports" in status
    assert "\x1b[33m" in status and "yearly is paused since" in status
    assert "\x1b[31mUserError: The card was declined." in failed
    assert "\x1b[32mok\x1b[0m" in check and "***" in check
    assert "\x1b" not in operator.pipes("status") + operator.pipes("check")
