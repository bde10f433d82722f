"""The example shop below a path, in a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.databases import PROJECT
from devtools.processes import Process, free_port, listens
from tests.browser.mounted import PATH
from tests.browser.test_shop import build_report, see_report
from tests.fixtures.chromium import NewContext

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("shop", ["database"], indirect=True),
]


@pytest.fixture
def page(new_context: NewContext, shop: int, data: Path) -> Iterator[Page]:
    """The first page of a second web server on the shop's data."""
    port = free_port()
    command = [sys.executable, "-m", "tests.browser.mounted", str(port)]
    log = data.with_suffix(".mounted.log")
    environment = {"EXAMPLE_DATA": str(data)}
    with Process(command, log, env=environment, cwd=PROJECT) as server:
        server.wait_until(lambda: listens(port), "it listens", 60)
        page = new_context(base_url=f"http://127.0.0.1:{port}").new_page()
        page.goto(f"{PATH}/")
        yield page


def test_a_report(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    build_report(page)
    see_report(page)
    # And after a reload, by the id alone.
    page.reload()
    see_report(page)
    assert {f"{PATH}/" in url for url in asked} == {True}


def test_a_contact(page: Page) -> None:
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail address").fill("mounted@example.com")
    page.get_by_label("Message").fill("Hello")
    page.get_by_role("button", name="Send").click()
    mail = page.locator("#contact-mail")
    expect(mail).to_be_visible(timeout=30_000)
    expect(mail).to_contain_text("mounted@example.com")
