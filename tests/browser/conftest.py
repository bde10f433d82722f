"""A headless Chromium, and pages of the example shop in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.databases import PROJECT
from tests.missing import missing

#: Debian's name, and those of others.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

#: What a browser needs to run as root, without a screen, and to call nobody.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Where pictures go, for looking at.
PICTURES = PROJECT / "build" / "screenshots"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        missing("Chromium; apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=list(ARGUMENTS)
        )
        yield browser
        browser.close()


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(chromium: Browser, shop: int) -> Iterator[NewContext]:
    """Makes browser contexts: visitors with cookies of their own."""
    made = []

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(
            base_url=f"http://127.0.0.1:{shop}",
            **options,  # type: ignore[arg-type]
        )
        context.set_default_timeout(15_000)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """The shop's first page, opened by a visitor unknown so far.

    What a script complains of fails the test.
    """
    page = new_context().new_page()
    open_shop(page)
    return page


def open_shop(page: Page, path: str = "/") -> None:
    """Open a page; an error in a script is one of the test."""

    def fail(error: object) -> None:
        raise AssertionError(f"a script fails: {error}")

    page.on("pageerror", fail)
    page.goto(path)


def picture(page: Page, name: str) -> Path:
    """Write a picture of the page, for looking at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
