"""An administrator looks at the workers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from nereid_async.rows import TaskRows
from nereid_async.rows.workers import Registered
from tests.client_tryton.views import open_menu, picture, rows_of
from tests.helpers import query

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


@pytest.fixture
def registered_workers(rows: TaskRows, database: str) -> None:
    """One that runs, one that drains, and one that is lost."""
    pools = ("mail:2", "reports:1", "*:1")
    lost = Registered("c", "shop-3", 23, "0.1.0", ("mail",), 2)
    rows.beat(lost, 2, "running", 86_400)
    query(database, "UPDATE async_worker SET heartbeat_at = started_at")
    rows.beat(Registered("a", "shop-1", 4711, "0.2.0", pools, 4), 3, "running", 7_200)
    rows.beat(Registered("b", "shop-2", 17, "0.1.0", ("mail",), 2), 1, "draining", 900)


def test_the_list(registered_workers: None, tryton_page: Page) -> None:
    open_menu(tryton_page, "Workers")
    found = rows_of(tryton_page)
    expect(found).to_contain_text(["shop-1", "shop-2", "shop-3"])
    expect(found).to_contain_text(["Running", "Draining", "Lost"])
    running = found.filter(has_text="shop-1")
    expect(running).to_contain_text("4711")
    expect(running).to_contain_text("mail:2, reports:1, *:1")
    expect(running).to_contain_text(re.compile(r"\d:\d\d:\d\d"))
    tryton_page.set_viewport_size({"width": 1800, "height": 600})
    picture(tryton_page, "tryton-workers")
