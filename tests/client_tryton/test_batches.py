"""An operator watches a batch, and cancels it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from nereid_async import NereidAsync
from nereid_async.messages.outcome import State
from nereid_async.rows import TaskRows
from tests.client_tryton.views import confirm, open_menu, picture, relate, rows_of
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def test_a_batch_is_watched_and_cancelled(
    script: Script, rows: TaskRows, tryton_page: Page
) -> None:
    with script.transaction():
        with NereidAsync.batch("Newsletter 12") as batch:
            script.record.echo.defer("a")
            script.record.echo.configure(delay=3600).defer("b")
    script.burst()
    open_menu(tryton_page, "Batches")
    row = rows_of(tryton_page).filter(has_text="Newsletter 12")
    expect(row).to_contain_text("50.00%")
    picture(tryton_page, "tryton-batches")
    row.get_by_text("Newsletter 12").dblclick()
    tryton_page.get_by_role("button", name="Cancel").click()
    confirm(tryton_page)
    status = rows.batch_status(batch.id)
    assert status is not None and status.state is State.CANCELLED
    relate(tryton_page, "Tasks of the Batch")
    expect(rows_of(tryton_page).filter(has_text="echo")).to_have_count(2)
