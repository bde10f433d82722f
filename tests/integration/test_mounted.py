"""Below a path of a host: by the server, or as a proxy tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from devtools.browser import Browser
from devtools.workers import burst
from tests.fixtures.apps import AppFactory

# What is tested knows nothing of the database.
pytestmark = pytest.mark.backends("sqlite")

Mounted = Callable[[str], str]

#: What a proxy in front says, which has taken the path off.
FORWARDED = {
    "X-Forwarded-Prefix": "/shop",
    "X-Forwarded-Host": "shop.example.com",
    "X-Forwarded-Proto": "https",
}


class BehindAProxy(Browser):
    """A visitor whose requests come by way of a proxy that takes the path off."""

    def get(self, path: str, **options: Any) -> Any:
        return super().get(*self._behind(path, options), **options)

    def send(self, method: str, path: str, **options: Any) -> Any:
        return super().send(method, *self._behind(path, options), **options)

    @staticmethod
    def _behind(path: str, options: dict[str, Any]) -> tuple[str]:
        headers = {**FORWARDED, "Referer": "https://shop.example.com/shop/"}
        options["headers"] = {**headers, **options.pop("headers", {})}
        return (path.removeprefix("/shop"),)


def dispatched(app_factory: AppFactory) -> tuple[Any, Browser]:
    app = app_factory()
    app.wsgi_app = DispatcherMiddleware(NotFound(), {"/shop": app.wsgi_app})
    client = Browser(app)
    get, send = client.get, client.send
    # The paths of the views are those below; those of answers are whole.
    client.get = lambda path, **it: get(_below(path), **it)  # type: ignore[method-assign]
    client.send = (  # type: ignore[method-assign]
        lambda method, path, **it: send(method, _below(path), **it)
    )
    return app, client


def _below(path: str) -> str:
    return path if path.startswith("/shop/") else f"/shop{path}"


def proxied(app_factory: AppFactory) -> tuple[Any, Browser]:
    app = app_factory()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1, x_prefix=1)
    return app, BehindAProxy(app)


def proxied_in_the_other_order(app_factory: AppFactory) -> tuple[Any, Browser]:
    """Slower, since polls have to go through Nereid, and right all the same."""
    app = app_factory()
    fast = app.wsgi_app
    fast.wsgi_app = ProxyFix(fast.wsgi_app, x_host=1, x_prefix=1)
    return app, BehindAProxy(app)


@pytest.mark.parametrize("mount", [dispatched, proxied, proxied_in_the_other_order])
def test_all_of_it_works(
    app_factory: AppFactory, mount: Callable[[AppFactory], tuple[Any, Browser]]
) -> None:
    app, client = mount(app_factory)
    task = client.defer("echo", "x")
    assert task["url"] == f"/shop/async/result/{task['id']}"
    assert client.get(task["url"]).status_code == 202
    burst(app)
    assert client.get(task["url"]).json["result"] == "x"
    page = client.get("/en/page-of-a-task").text
    assert '<script type="module" src="/shop/async/client.js">' in page
    assert client.get("/shop/async/client.js").status_code == 200
    assert client.delete(task["url"]).status_code == 204
    assert client.get(task["url"]).status_code == 410


@pytest.mark.parametrize("mount", [dispatched, proxied])
def test_a_task_knows_the_path_as_well(
    app_factory: AppFactory, mount: Callable[[AppFactory], tuple[Any, Browser]]
) -> None:
    app, client = mount(app_factory)
    answer = client.post("/en/web-context")
    burst(app)
    seen = client.get(answer.json["url"]).json["result"]
    assert seen == answer.json["seen"]
    assert seen["home"].endswith("/shop/en/")
    assert seen["url"].startswith("/shop/async/result/")
