"""An operator pauses a queue in the client, and lets it go on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from nereid_async.rows import TaskRows
from nereid_async.rows.workers import Registered
from tests.client_tryton.views import open_menu, picture, rows_of
from tests.fixtures.scripts import Script
from tests.helpers import wait_until

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def test_pause_and_resume(script: Script, rows: TaskRows, tryton_page: Page) -> None:
    with script.transaction():
        script.record.echo.configure(queue="mail").defer("x")
    script.burst("mail")
    with script.transaction():
        script.record.echo.defer("x")
        script.record.echo.configure(queue="mail").defer("x")
        script.record.echo.configure(queue="mail", delay=3600).defer("x")
    rows.beat(Registered("x", "shop", 7, "0.2.0", ("mail:2",), 2), 0, "running", 0)
    open_menu(tryton_page, "Queues")
    mail = rows_of(tryton_page).filter(has_text="mail")
    # The client wants the row to be selected first.
    mail.get_by_text("mail").click()
    heading = tryton_page.locator("#tabcontent thead")
    expect(heading).to_contain_text("Due")
    expect(heading).to_contain_text("Rate (/min)")
    mail.get_by_role("button", name="Pause").click()
    tryton_page.get_by_role("button", name="OK", exact=True).click()
    expect(mail).to_contain_text("Administrator")
    assert rows.paused_queues() == {"mail"}
    expect(tryton_page.locator(".modal-backdrop")).to_have_count(0)
    tryton_page.set_viewport_size({"width": 1800, "height": 600})
    picture(tryton_page, "tryton-queues")
    mail.get_by_role("button", name="Resume").click()
    wait_until(lambda: not rows.paused_queues(), what="it is resumed")
    expect(mail).not_to_contain_text("Administrator")
