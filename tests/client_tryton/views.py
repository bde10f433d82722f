"""Parts of the client's window."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.fixtures.chromium import PICTURES


def open_menu(page: Page, name: str) -> None:
    """Open Administration > Asynchronous Tasks > ``name``."""
    menu = page.locator("#menu")
    for parent in ("Administration", "Asynchronous Tasks"):
        row = menu.get_by_role("row").filter(has_text=parent)
        row.locator(".expander").first.click()
    menu.get_by_text(name, exact=True).click()


def tab(page: Page, name: str) -> Locator:
    """A tab above the open list."""
    return page.locator("#tabcontent .tab-domain").get_by_role("tab", name=name)


def rows_of(page: Page) -> Locator:
    """The rows of the open list."""
    return page.locator("#tabcontent tbody tr:visible")


def picture(page: Page, name: str) -> None:
    """Write a picture of the window, for looking at: the client fills it."""
    # Dialogs slide in.
    for dialog in page.locator(".modal-dialog").filter(visible=True).all():
        expect(dialog).to_have_css(
            "transform", re.compile(r"none|\(1, 0, 0, 1, 0, 0\)")
        )
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def launch(page: Page, action: str) -> None:
    """Start an action on the selected records, from the toolbar."""
    page.locator("#tabcontent button#action").click()
    page.get_by_role("menuitem", name=action).click()


def relate(page: Page, action: str) -> None:
    """Open what belongs to the open record, from the toolbar."""
    page.locator("#tabcontent button#relate:enabled").click()
    page.get_by_role("menuitem", name=action).click()


def confirm(page: Page, name: str | None = None) -> str:
    """Confirm an action; return what it reports.

    :param name: of a picture of the report.
    """
    dialog = page.locator(".wizard-dialog")
    dialog.get_by_role("button", name="OK").click()
    close = dialog.get_by_role("button", name="Close")
    close.wait_for()
    told = dialog.locator("textarea")
    expect(told).not_to_have_value("")
    text = told.input_value()
    if name:
        picture(page, name)
    close.click()
    dialog.wait_for(state="detached")
    return text
