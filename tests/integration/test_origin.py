"""What removes a result comes from our own pages; it needs no token, and no session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.workers import burst
from tests.fixtures.apps import AppFactory

# What is tested knows nothing of the database.
pytestmark = pytest.mark.backends("sqlite")

Hostile = Callable[[bool], None]

#: Of a page's own scripts, by browsers that say a lot and by those that say little.
OWN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-origin", "Origin": "{root}"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "{root}"},
    {},
    # Behind a proxy that does not pass on the host the browser knows best.
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.example.com"},
]

FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://neighbour.localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "nonsense", "Origin": "{root}"},
    {"Origin": "https://evil.example.com"},
    {"Origin": "{root}.evil.example.com"},
    {"Origin": "{root}@evil.example.com"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
]

ROOTS = ("http://localhost", "https://localhost")


@pytest.fixture
def app(app_factory: AppFactory) -> Any:
    """An app on the default broker: none of this goes by the broker."""
    return app_factory()


def filled(headers: dict[str, str], root: str) -> dict[str, str]:
    return {name: value.replace("{root}", root) for name, value in headers.items()}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("headers", OWN)
def test_own_pages(
    client: Browser, app: Any, root: str, headers: dict[str, str]
) -> None:
    task = client.defer("echo", "x")
    burst(app)
    answer = client.client.delete(
        task["url"], base_url=root, headers=filled(headers, root)
    )
    assert answer.status_code == 204


@pytest.mark.parametrize("root", ROOTS)
def test_foreign_pages(client: Browser, app: Any, root: str, hostile: Hostile) -> None:
    """Their browser sends our cookies along, and asks nobody."""
    task = client.defer("echo", "x")
    burst(app)
    for headers in FOREIGN:
        answer = client.client.delete(
            task["url"], base_url=root, headers=filled(headers, root)
        )
        hostile(answer.status_code != 403)
    assert client.get(task["url"]).json["result"] == "x"


def test_another_visitor(client: Browser, app: Any, hostile: Hostile) -> None:
    task = client.defer("echo", "x")
    burst(app)
    stranger = Browser(app)
    stranger.defer("echo", "y")
    hostile(stranger.delete(task["url"]).status_code != 404)
    assert client.get(task["url"]).json["result"] == "x"


def test_whichever_is_set_up_first(
    database: str, tmp_path: Any, app_factory: AppFactory
) -> None:
    """The extension or Nereid's protection: app_factory does the former."""
    from devtools.apps import bare_app, let_go
    from nereid_async import NereidAsync

    app = bare_app(database, tmp_path)
    app.initialise()
    NereidAsync().init_app(app)
    try:
        client = Browser(app)
        task = client.defer("echo", "x")
        burst(app)
        assert client.client.delete(task["url"]).status_code == 204
        # All else is protected as before.
        assert client.client.post("/en/commit").status_code == 400
    finally:
        let_go(app)
