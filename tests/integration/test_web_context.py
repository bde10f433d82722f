"""A task sees of its request what the view saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools import site
from devtools.browser import Browser
from devtools.workers import burst as burst_app
from tests.fixtures.apps import AppFactory
from tests.helpers import query
from tests.marks import ONE_DATABASE, once

Burst = Callable[[], None]


def poll(client: Browser, url: str) -> Any:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.json["state"] == "done", answer.text
    return answer.json["result"]


@once
@pytest.mark.parametrize("locale", site.LOCALES)
@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:5000/",
        "https://shop.example.com/",
        "https://shop.example.com:8443/",
    ],
)
def test_the_same_as_in_the_view(
    client: Browser, burst: Burst, locale: str, base_url: str
) -> None:
    answer = client.post(
        f"/{locale}/web-context",
        base_url=base_url,
        headers={"Referer": base_url, "X-CSRFToken": token_on(client, base_url)},
    )
    assert answer.status_code == 200, answer.text
    seen = answer.json["seen"]
    assert seen["home"] == f"{base_url}{locale}/"
    assert seen["locale"] == locale
    assert seen["greeting"] == site.GREETINGS[locale]
    assert site.GREETINGS[locale] in seen["page"]
    assert site.WEBSITE in seen["page"]
    burst()
    answer = client.get(answer.json["url"], base_url=base_url)
    assert answer.json["result"] == seen


def token_on(client: Browser, base_url: str) -> str:
    """Cookies belong to a host: each has a session, and a token, of its own."""
    return str(client.get("/en/csrf", base_url=base_url).text)


@once
def test_the_visitor_is_the_same(client: Browser, burst: Burst) -> None:
    client.log_in("ada@example.com")
    answer = client.post("/en/web-context")
    assert answer.json["seen"]["user"] == "ada@example.com"
    burst()
    assert poll(client, answer.json["url"]) == answer.json["seen"]


@once
def test_an_anonymous_visitor_stays_anonymous(client: Browser, burst: Burst) -> None:
    answer = client.post("/en/web-context")
    burst()
    assert poll(client, answer.json["url"])["user"] is None


def test_a_task_of_a_web_request_waits_for_a_worker_with_the_app(
    client: Browser,
    burst: Burst,
    script: Any,
) -> None:
    answer = client.post("/en/web-context")
    script.burst()
    assert client.get(answer.json["url"]).status_code == 202
    burst()


# Where links lead.


def link_of_a_task(app: Any, base_url: str, **headers: str) -> str:
    """The address of the shop, as a task says that a request has deferred."""
    client = Browser(app)
    answer = client.get("/en/web-context", base_url=base_url, headers=headers)
    assert answer.status_code == 200, answer.text
    burst_app(app)
    found = client.get(answer.json["url"], base_url=base_url, headers=headers)
    return str(found.json["result"]["home"])


@ONE_DATABASE
@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "shop.example.com.evil.com",
        "evil.com:81",
        "localhost.evil.com",
        "xshop.example.com",
        "10.0.0.1",
    ],
)
def test_a_host_that_is_not_the_websites_leads_nobody_astray(
    app_factory: AppFactory, host: str, hostile: Callable[[bool], None]
) -> None:
    app = app_factory()
    link = link_of_a_task(app, f"https://{host}/")
    hostile(link != "https://shop.example.com/en/")


@ONE_DATABASE
@pytest.mark.parametrize("host", ["www.example.org", "www.example.org:8443"])
def test_hosts_that_the_app_trusts(app_factory: AppFactory, host: str) -> None:
    app = app_factory(TRUSTED_HOSTS=["www.example.org"])
    assert link_of_a_task(app, f"https://{host}/") == f"https://{host}/en/"


@ONE_DATABASE
@pytest.mark.parametrize(
    "setting",
    ["https://www.example.org/shop", {site.WEBSITE: "https://www.example.org/shop/"}],
)
@pytest.mark.parametrize("host", ["localhost", "shop.example.com", "evil.com"])
def test_a_setting_gives_it(app_factory: AppFactory, setting: Any, host: str) -> None:
    app = app_factory(ASYNC_BASE_URL=setting)
    link = link_of_a_task(app, f"http://{host}/")
    assert link == "https://www.example.org/shop/en/"


@ONE_DATABASE
def test_a_website_that_is_not_named_after_its_host(
    app_factory: AppFactory, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing tells what is right; somebody is told what to do."""
    app = app_factory()
    rename = "UPDATE nereid_website SET name = %s"
    query(database, rename, "The Shop")
    try:
        link = link_of_a_task(app, "https://www.example.org/")
    finally:
        query(database, rename, site.WEBSITE)
    assert link == "https://www.example.org/en/"
    (told,) = [it for it in caplog.records if "links in tasks" in it.message]
    assert "ASYNC_BASE_URL" in told.message
    assert "'The Shop'" in told.message
