"""An administrator looks at the tasks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from nereid_async.messages.outcome import Progress
from nereid_async.rows import TaskRows
from tests.client_tryton.views import open_menu, picture, rows_of, tab
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


@pytest.fixture
def tasks(script: Script, database: str) -> None:
    """Tasks in several states, the last one deferred first in the list."""
    with script.transaction():
        record = script.record(name="Lamp")
        record.save()
        record.rename.defer("Desk lamp")
        script.record.fail.defer("the reason")
        cancelled = script.record.echo.configure(delay=60).defer("x")
    script.burst()
    cancelled.cancel()
    with script.transaction():
        running = script.record.echo.defer("x").id
        script.record.echo.configure(delay=3600).defer("x")
    rows = TaskRows(database)
    claim = rows.claim_ids([running], 600)[running]
    rows.start(claim, "worker 7")
    rows.report(claim, Progress(3, 4, "three of four pages"))
    with script.transaction():
        script.record.echo.defer("x")


def test_the_list_and_a_form(tasks: None, tryton_page: Page) -> None:
    open_menu(tryton_page, "Tasks")
    tab(tryton_page, "All").click()
    rows = rows_of(tryton_page)
    expect(rows).to_contain_text(
        ["Waiting", "Scheduled", "Running", "Cancelled", "Failed", "Done"]
    )
    expect(rows.filter(has_text="Done")).to_contain_text("Desk lamp")
    expect(rows.filter(has_text="Done")).to_contain_text("Administrator")
    expect(tab(tryton_page, "Done")).to_contain_text("1")
    tryton_page.set_viewport_size({"width": 1900, "height": 700})
    picture(tryton_page, "tryton-task-list")
    tab(tryton_page, "Failed").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("ValueError: the reason")
    rows.get_by_text("async_test.record.fail").dblclick()
    form = tryton_page.locator("#tabcontent .tab-form")
    # Errors come first, and there are no two fields of its state.
    failure = form.locator("textarea").filter(visible=True).first
    expect(failure).to_have_value("ValueError: the reason")
    expect(form.locator(".progress")).to_be_hidden()
    expect(form.get_by_label("State", exact=True)).to_be_hidden()
    expect(form.get_by_role("row").filter(has_text="the reason")).to_be_visible()
    picture(tryton_page, "tryton-task-errors")
    form.get_by_role("tab", name="Times").click()
    expect(form.get_by_label("Finished at")).to_have_value(re.compile(r"\d:\d\d:\d\d"))


def test_a_narrow_window(tasks: None, tryton_page: Page) -> None:
    open_menu(tryton_page, "Tasks")
    tab(tryton_page, "All").click()
    rows = rows_of(tryton_page)
    expect(rows).to_have_count(6)
    tryton_page.set_viewport_size({"width": 480, "height": 800})
    tryton_page.locator("a[data-toggle=offcanvas]").click()
    expect(tryton_page.locator("#menu")).not_to_be_in_viewport()
    expect(rows.first).to_contain_text("Waiting")
    picture(tryton_page, "tryton-task-list-narrow")


def test_the_progress_of_a_running_task(tasks: None, tryton_page: Page) -> None:
    open_menu(tryton_page, "Tasks")
    expect(tab(tryton_page, "Running")).to_contain_text("1")
    rows_of(tryton_page).get_by_text("async_test.record.echo").dblclick()
    form = tryton_page.locator("#tabcontent .tab-form")
    expect(form.get_by_role("tab", name="Errors")).to_be_hidden()
    expect(form.get_by_label("Step")).to_have_value("three of four pages")
    expect(form.locator(".progress-bar")).to_have_attribute(
        "style", re.compile("width: 75%")
    )
    picture(tryton_page, "tryton-task-running")
