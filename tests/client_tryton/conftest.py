"""Tryton's web client in a browser, served by trytond."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.apps import SECRET_KEY
from devtools.processes import Process, free_port, listens, script
from devtools.site import PASSWORD
from tests.client_tryton.sao import web_client
from tests.fixtures.chromium import NewContext


@pytest.fixture
def client_url(
    database: str,
    trytond_conf: Callable[..., Path],
    template_cache: Path,
    tmp_path: Path,
    broker_settings: dict[str, str],
) -> Iterator[str]:
    """Where a running trytond serves the client."""
    port = free_port()
    root = web_client(template_cache, tmp_path / "npm.log")
    conf = trytond_conf(
        web={"listen": f"127.0.0.1:{port}", "root": root},
        async_sqs={"signing_key": SECRET_KEY, **broker_settings},
    )
    with Process([script("trytond"), "-c", conf], tmp_path / "trytond.log") as server:
        server.wait_until(lambda: listens(port), "it listens")
        yield f"http://127.0.0.1:{port}/#{database}"


def log_in(page: Page, url: str, login: str) -> None:
    """Log in to the client."""
    page.goto(url)
    page.locator("input#login").fill(login)
    page.get_by_role("button", name="Login").click()
    # The first request of a server loads all models.
    page.locator("input[type=password]").fill(PASSWORD, timeout=60_000)
    page.get_by_role("button", name="OK").click()
    expect(page.locator("#menu")).to_be_visible()


@pytest.fixture
def tryton_page(new_context: NewContext, client_url: str) -> Page:
    """The client, with the administrator logged in."""
    page = new_context(
        locale="en-US", viewport={"width": 1500, "height": 800}
    ).new_page()
    log_in(page, client_url, "admin")
    # It offers that first, in a tab of its own.
    expect(page.get_by_role("tab", name="Module Configuration")).to_be_visible()
    return page
