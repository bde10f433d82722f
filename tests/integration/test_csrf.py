"""What changes something needs the token, and over https to come from our pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers import Browser, burst

HTTPS = "https://localhost/"


@pytest.fixture
def task(client: Browser, app: Any) -> dict[str, Any]:
    made = client.defer("echo", "x")
    burst(app)
    return made


def test_over_http(client: Browser, task: dict[str, Any]) -> None:
    assert client.client.delete(task["url"]).status_code == 400
    assert client.delete(task["url"]).status_code == 204


@pytest.mark.parametrize(
    ("referer", "status"),
    [
        ("https://localhost/report", 204),
        (None, 400),
        ("https://evil.example.com/report", 400),
        ("http://localhost/report", 400),
    ],
)
def test_over_https(
    client: Browser, task: dict[str, Any], referer: str | None, status: int
) -> None:
    headers = {} if referer is None else {"Referer": referer}
    answer = client.delete(task["url"], base_url=HTTPS, headers=headers)
    assert answer.status_code == status


def test_the_token_of_another_visitor(app: Any, task: dict[str, Any]) -> None:
    stranger, owner = Browser(app), Browser(app)
    mine = owner.defer("echo", "x")
    burst(app)
    headers = {"X-CSRFToken": stranger.csrf_token()}
    answer = owner.client.delete(mine["url"], headers=headers)
    assert answer.status_code == 400
    assert owner.get(mine["url"]).json["result"] == "x"
