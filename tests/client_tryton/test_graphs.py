"""An administrator sees how many tasks ended in each hour, and how long they waited."""

from __future__ import annotations

import datetime as dt

import pytest
from playwright.sync_api import Page, expect

from tests.client_tryton.views import open_menu, picture, rows_of
from tests.fixtures.scripts import Script
from tests.helpers import query

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


def spread(script: Script) -> None:
    """Tasks that ended in the last day: done, failed and cancelled."""
    now = dt.datetime.now(dt.timezone.utc)
    now = now.replace(tzinfo=None, minute=30, second=0, microsecond=0)
    with script.transaction():
        tasks = [script.record.echo.defer(it).id for it in range(120)]
    for number, task_id in enumerate(tasks):
        hours = number % 24
        state = "failed" if number % 11 == 0 else "done"
        state = "cancelled" if number % 29 == 0 else state
        if number % 17 < hours % 7:
            continue
        due = now - dt.timedelta(hours=hours, seconds=10)
        started = due + dt.timedelta(seconds=(number % 9) * 0.4 + hours % 5)
        ended = started + dt.timedelta(seconds=1)
        query(
            script.database,
            "UPDATE async_task SET state = %s, due_at = %s, finished_at = %s "
            "WHERE uuid = %s",
            *(state, str(due), str(ended), task_id),
        )
        query(
            script.database,
            "INSERT INTO async_run (uuid, token, attempt, started_at) "
            "VALUES (%s, 't', 1, %s)",
            *(task_id, str(started)),
        )


def test_the_graphs(script: Script, tryton_page: Page) -> None:
    spread(script)
    open_menu(tryton_page, "Tasks an Hour")
    expect(tryton_page.locator(".c3-legend-item")).to_have_count(3)
    expect(tryton_page.locator(".c3-bars-failed path")).not_to_have_count(0)
    picture(tryton_page, "tryton-graph-tasks")
    tryton_page.get_by_role("button", name="Switch").click()
    expect(rows_of(tryton_page).first).to_contain_text("6.20")
    picture(tryton_page, "tryton-hours")
    tryton_page.locator("#menu").get_by_text("Waiting Time an Hour").click()
    expect(tryton_page.locator(".c3-line-waited_p95")).to_be_visible()
    # It fades in.
    expect(tryton_page.locator(".c3-chart-line").last).to_have_css("opacity", "1")
    picture(tryton_page, "tryton-graph-waited")
