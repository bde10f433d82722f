"""Operators retry and cancel tasks in the client; others cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.site import CLERK
from nereid_async.messages.outcome import State
from nereid_async.rows import TaskRows
from tests.client_tryton.conftest import log_in
from tests.client_tryton.views import confirm, launch, open_menu, picture, rows_of, tab
from tests.fixtures.chromium import NewContext
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def state(rows: TaskRows, task_id: str) -> State:
    status = rows.status(task_id)
    assert status is not None
    return status.state


def test_a_failed_task_is_retried_and_done(
    script: Script, rows: TaskRows, tmp_path: Path, tryton_page: Page
) -> None:
    with script.transaction():
        call = script.record.fail_times.configure(max_attempts=1)
        task = call.defer(str(tmp_path / "attempts"), 1)
    script.burst()
    open_menu(tryton_page, "Tasks")
    tab(tryton_page, "Failed").click()
    rows_of(tryton_page).get_by_text("fail_times").dblclick()
    tryton_page.get_by_role("button", name="Retry").click()
    told = confirm(tryton_page, "tryton-task-retry")
    assert told.endswith(f"{task.id}: runs again")
    assert state(rows, task.id) is State.PENDING
    expect(tryton_page.get_by_label("Status")).to_have_value('"waiting"')
    script.burst()
    assert state(rows, task.id) is State.DONE
    tryton_page.get_by_role("button", name="Reload").click()
    expect(tryton_page.get_by_label("Status")).to_have_value('"done"')


def test_several_are_cancelled_and_others_left(
    script: Script, rows: TaskRows, tryton_page: Page
) -> None:
    with script.transaction():
        done = script.record.echo.defer("x")
    script.burst()
    with script.transaction():
        later = script.record.echo.configure(delay=3600).defer("x")
        waiting = script.record.echo.defer("x")
    open_menu(tryton_page, "Tasks")
    tab(tryton_page, "All").click()
    expect(rows_of(tryton_page)).to_have_count(3)
    tryton_page.locator("#tabcontent thead input[type=checkbox]").check()
    launch(tryton_page, "Cancel")
    told = confirm(tryton_page)
    assert f"{later.id}: cancelled" in told
    assert f"{waiting.id}: cancelled" in told
    assert f"{done.id}: has finished already" in told
    assert state(rows, later.id) is State.CANCELLED
    assert state(rows, done.id) is State.DONE


def test_a_scheduled_task_runs_now(
    script: Script, rows: TaskRows, tryton_page: Page
) -> None:
    with script.transaction():
        task = script.record.echo.configure(delay=3600).defer("x")
    open_menu(tryton_page, "Tasks")
    tab(tryton_page, "Scheduled").click()
    rows_of(tryton_page).get_by_text("echo").dblclick()
    tryton_page.get_by_role("button", name="Run now").click()
    assert confirm(tryton_page).endswith(f"{task.id}: runs now")
    script.burst()
    assert state(rows, task.id) is State.DONE


def test_others_see_no_menu(
    script: Script, new_context: NewContext, client_url: str
) -> None:
    page = new_context(locale="en-US").new_page()
    log_in(page, client_url, CLERK)
    expect(page.locator("#menu").get_by_role("row").first).to_be_visible()
    expect(page.locator("#menu")).not_to_contain_text("Administration")
    picture(page, "tryton-no-rights")
