"""An operator acts on all tasks that match a filter."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from nereid_async.messages.outcome import State
from nereid_async.rows import TaskRows
from tests.client_tryton.views import (
    confirm,
    launch,
    open_menu,
    picture,
    rows_of,
    tab,
)
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def test_all_that_match_are_retried(
    script: Script, rows: TaskRows, tmp_path: Path, tryton_page: Page
) -> None:
    with script.transaction():
        flaky = script.record.fail_times.configure(max_attempts=1)
        tasks = [flaky.defer(str(tmp_path / str(it)), 1) for it in range(30)]
        other = script.record.fail.configure(max_attempts=1).defer("another reason")
    script.burst()
    open_menu(tryton_page, "Tasks")
    tab(tryton_page, "Failed").click()
    # More than the list shows at first. What is selected fills in the filter.
    expect(tab(tryton_page, "Failed")).to_contain_text("31")
    flaky_row = rows_of(tryton_page).filter(has_text="fail_times").first
    flaky_row.get_by_role("checkbox").check()
    launch(tryton_page, "Act on all that match")
    dialog = tryton_page.locator(".wizard-dialog")
    expect(dialog.get_by_label("Action")).to_have_value('"retry"')
    expect(dialog.get_by_label("Task")).to_have_value("async_test.record.fail_times")
    picture(tryton_page, "tryton-many-filter")
    dialog.get_by_role("button", name="Next").click()
    asked = dialog.locator("textarea")
    expect(asked).to_have_value(
        "30 failed or cancelled task(s) are to run again:\n\n"
        "async_test.record.fail_times: 30"
    )
    picture(tryton_page, "tryton-many-ask")
    assert confirm(tryton_page, "tryton-many-report") == "Run again: 30"
    script.burst()
    states = {status.state for task in tasks if (status := rows.status(task.id))}
    assert states == {State.DONE}
    left = rows.status(other.id)
    assert left is not None and left.state is State.FAILED


def test_the_menu_cancels_what_waits(
    script: Script, rows: TaskRows, tryton_page: Page
) -> None:
    with script.transaction():
        mail = [script.record.echo.configure(queue="mail").defer(it) for it in "ab"]
        other = script.record.echo.defer("x")
    open_menu(tryton_page, "Act on all that match")
    dialog = tryton_page.locator(".wizard-dialog")
    dialog.get_by_label("Action").select_option(label="Cancel")
    dialog.get_by_label("Status").select_option(label="Waiting")
    dialog.get_by_label("Queue").fill("mail")
    dialog.get_by_role("button", name="Next").click()
    assert confirm(tryton_page) == "Cancelled: 2"
    for task, state in [(mail[0], State.CANCELLED), (other, State.PENDING)]:
        status = rows.status(task.id)
        assert status is not None and status.state is state
