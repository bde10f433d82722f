"""A task sees of its request what the view saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests import site
from tests.helpers import Browser

Burst = Callable[[], None]


def poll(client: Browser, url: str) -> Any:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.json["state"] == "done", answer.text
    return answer.json["result"]


@pytest.mark.parametrize("locale", site.LOCALES)
@pytest.mark.parametrize(
    "base_url", ["http://localhost/", "https://shop.example.com/", "http://a.test:81/"]
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


def test_the_visitor_is_the_same(client: Browser, burst: Burst) -> None:
    client.log_in("ada@example.com")
    answer = client.post("/en/web-context")
    assert answer.json["seen"]["user"] == "ada@example.com"
    burst()
    assert poll(client, answer.json["url"]) == answer.json["seen"]


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
