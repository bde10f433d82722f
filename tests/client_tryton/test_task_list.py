"""An administrator looks at the tasks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from nereid_async.messages.outcome import State
from nereid_async.rows import TaskRows
from tests.fixtures.chromium import picture
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("sqlite"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]

STATES = (State.PENDING, State.RUNNING, State.FAILED, State.DONE)


@pytest.fixture
def tasks(script: Script, database: str) -> None:
    """Tasks in several states, the last one deferred first in the list."""
    with script.transaction():
        script.record.echo.defer("x")
        script.record.fail.defer("the reason")
    script.burst()
    with script.transaction():
        running = script.record.echo.defer("x").id
        script.record.echo.configure(delay=3600).defer("x")
    rows = TaskRows(database)
    rows.start(rows.claim_ids([running], 600)[running], "worker 7")


def test_the_list_and_a_form(tasks: None, tryton_page: Page) -> None:
    menu = tryton_page.locator("#menu")
    row = menu.get_by_role("row").filter(has_text="Administration")
    row.locator(".expander").click()
    menu.get_by_text("Asynchronous Tasks", exact=True).click()
    rows = tryton_page.locator("#tabcontent tbody tr")
    expect(rows).to_contain_text([state.value.capitalize() for state in STATES])
    picture(tryton_page, "tryton-task-list")
    rows.filter(has_text="Failed").get_by_text("async_test.record.fail").dblclick()
    form = tryton_page.locator("#tabcontent .tab-form")
    expect(form.get_by_label("Finished at")).to_have_value(re.compile(r"\d:\d\d:\d\d"))
    expect(form.get_by_label("Worker")).not_to_have_value("")
    traceback = form.locator("textarea").last
    expect(traceback).to_have_value(re.compile("ValueError: the reason"))
