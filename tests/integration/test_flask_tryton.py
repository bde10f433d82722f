"""Flask with Flask-Tryton: each promise, and what is no app of ours.

Nereid is not needed: these run on each series of Tryton.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest
from flask import Flask

from devtools.workers import burst
from nereid_async import NereidAsync
from nereid_async.errors import ConfigurationError
from tests.fixtures.flask_apps import FlaskAppFactory
from tests.helpers import labels, states
from tests.marks import ONE_DATABASE, once


@pytest.fixture
def app(
    flask_app_factory: FlaskAppFactory,
    broker_config: dict[str, str],
    request: pytest.FixtureRequest,
) -> Any:
    """An app on each of the brokers, in which the session knows who is logged in."""
    return flask_app_factory(
        lambda session: session.get("user"),
        ASYNC_IMPORTS="tests.plain_tasks",
        **broker_config,
    )


def deferred(visitor: Any, path: str) -> str:
    """Let a view defer a task; the URL of its result."""
    answer = visitor.post(path)
    assert answer.status_code == 200, answer.text
    return str(answer.json["url"])


def both(visitor: Any, url: str) -> tuple[int, Any]:
    """What both routes answer to a GET: the fast one, and that of the app."""
    app = visitor.application
    fast = visitor.get(url)
    polls, app.wsgi_app = app.wsgi_app, app.wsgi_app.wsgi_app
    try:
        normal = visitor.get(url)
    finally:
        app.wsgi_app = polls
    assert (fast.status_code, fast.json) == (normal.status_code, normal.json)
    return fast.status_code, fast.json


def test_the_answer_is_for_its_asker(app: Any, database: str) -> None:
    visitor, stranger = app.test_client(), app.test_client()
    deferred(stranger, "/defer/other")
    answer = visitor.post("/defer/mine")
    assert "HttpOnly; Path=/; SameSite=Lax" in answer.headers["Set-Cookie"]
    url = answer.json["url"]
    assert both(visitor, url)[0] == 202
    burst(app)
    assert labels(database) == ["other", "mine"]
    status, body = both(visitor, url)
    assert (status, body["state"], body["result"]) == (200, "done", "mine")
    for other in (stranger, app.test_client()):
        assert both(other, url)[0] == 404
        assert other.delete(url).status_code == 404
    foreign = visitor.delete(url, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert visitor.delete(url).status_code == 204


@once
def test_what_a_user_asked_for_is_that_users(app: Any) -> None:
    visitor = app.test_client()
    before = deferred(visitor, "/defer/before")
    visitor.post("/login/ada")
    adas = deferred(visitor, "/defer/adas")
    burst(app)
    assert [both(visitor, url)[0] for url in (before, adas)] == [200, 200]
    visitor.post("/login/grace")
    assert [both(visitor, url)[0] for url in (before, adas)] == [200, 404]


@once
def test_shared_is_for_everybody(app: Any) -> None:
    url = deferred(app.test_client(), "/shared")
    burst(app)
    assert both(app.test_client(), url)[1]["result"] == "x"


@ONE_DATABASE
def test_only_what_was_committed_is_sent(app: Any, database: str) -> None:
    """An exception sends nothing, and a view that runs again sends once."""
    visitor = app.test_client()
    assert visitor.post("/defer/raise").status_code == 500
    deferred(visitor, "/defer/retried")
    assert states(database) == ["pending"]
    burst(app)
    assert labels(database) == ["retried"]


def test_a_read_only_view_defers_as_well(app: Any, database: str) -> None:
    visitor = app.test_client()
    url = visitor.get("/read-only").json["url"]
    burst(app)
    assert both(visitor, url)[1]["result"] == "get"


#: Before 3.1, Flask answers to SERVER_NAME only.
OTHER = "evil.com" if version("flask") >= "3.1" else "shop.example.com"


@pytest.mark.parametrize(
    ("config", "host", "link"),
    [
        ({}, "localhost", "http://localhost/page"),
        ({"SERVER_NAME": "shop.example.com"}, OTHER, "http://shop.example.com/"),
        ({"ASYNC_BASE_URL": "https://a.example/"}, "evil.com", "https://a.example/"),
    ],
)
@ONE_DATABASE
def test_links_in_tasks(
    flask_app_factory: FlaskAppFactory, config: Any, host: str, link: str
) -> None:
    app = flask_app_factory(ASYNC_IMPORTS="tests.plain_tasks", **config)
    visitor = app.test_client()
    root = f"http://{host}"
    url = visitor.post("/link", base_url=root).json["url"]
    burst(app)
    found = visitor.get(url, base_url=root).json["result"]
    assert found.startswith(link)
    assert found.endswith("/page")


def refusal(app: Any, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        NereidAsync(app, **options)
    return str(caught.value)


def test_other_hosts_are_told_what_is_supported() -> None:
    text = refusal(Flask("web"))
    assert text.startswith("the Flask app 'web' has no Tryton in it; supported are a")
    assert "Tryton(app) is called before" in text
    assert refusal(object()).startswith("the app is a builtins.object; supported are")


@ONE_DATABASE
def test_what_an_app_lacks(flask_app_factory: FlaskAppFactory) -> None:
    app = flask_app_factory()
    assert refusal(app) == "init_app was called for this app before"
    bare = Flask("web")
    bare.extensions["Tryton"] = app.extensions["Tryton"]
    assert refusal(bare).startswith("TRYTON_DATABASE in app.config is not set")
