"""Pages of the example shop in a browser."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import Page

from tests.fixtures.chromium import NewContext


@pytest.fixture
def new_context(new_context: NewContext, shop: int) -> NewContext:
    """Makes browser contexts that know where the shop is."""
    return partial(new_context, base_url=f"http://127.0.0.1:{shop}")


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """The shop's first page, opened by a visitor unknown so far."""
    page = new_context().new_page()
    page.goto("/")
    return page
