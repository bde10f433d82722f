"""A record of any model leads to its tasks, and they to it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from trytond.pool import Pool

from tests.client_tryton.views import picture, relate, rows_of
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def test_the_tasks_of_a_record(
    script: Script, tryton_page: Page, client_url: str
) -> None:
    with script.transaction():
        # The party of the company, and a task that is about nothing.
        party = Pool().get("party.party")(1)
        script.record.echo.defer(party)
        script.record.echo.configure(delay=60).defer("x", party=party)
        script.record.echo.defer("x")
    tryton_page.goto(f"{client_url}/model/party.party/{party.id}")
    relate(tryton_page, "Asynchronous Tasks")
    rows = rows_of(tryton_page)
    expect(rows).to_contain_text(["Scheduled", "Waiting"])
    picture(tryton_page, "tryton-task-relate")
    rows.first.get_by_text("async_test.record.echo").dblclick()
    form = tryton_page.locator("#tabcontent .tab-pane.active")
    record = form.locator(".form-reference").filter(visible=True)
    record.locator(".icon-primary").click()
    expect(tryton_page.locator(".modal-dialog")).to_contain_text("Party")
