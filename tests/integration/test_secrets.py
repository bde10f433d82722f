"""No key and no secret of a session is in a log, a row, a message or an answer."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.workers import burst
from tests.fixtures.apps import AppFactory
from tests.fixtures.services import app_config, sqs_client
from tests.helpers import query

Hostile = Callable[[bool], None]

SIGNING_KEY = "the-key-that-signs"
SECRET_ACCESS_KEY = "the-secret-of-the-access-key"


@pytest.fixture
def app(app_factory: AppFactory, broker_settings: dict[str, str]) -> Any:
    settings = {**broker_settings, "signing_key": SIGNING_KEY}
    if "sqs_secret_key" in settings:
        settings["sqs_secret_key"] = SECRET_ACCESS_KEY
    return app_factory(**app_config(settings))


def secrets(app: Any, browser: Browser) -> list[str]:
    """What nobody may see."""
    found = [SIGNING_KEY, SECRET_ACCESS_KEY, app.secret_key]
    for path in Path(app.session_interface.session_store.path).iterdir():
        session = pickle.loads(path.read_bytes())
        found += [it for it in session.values() if isinstance(it, str) and len(it) > 8]
        # The session's id is in the file's name.
        found.append(path.stem.rpartition("_")[2])
    # The owner's secret is the last part of its cookie.
    found += [
        cookie.value.rpartition(".")[2]
        for cookie in browser.jar.values()
        if "nereid_async" in cookie.key
    ]
    return [*found, browser.session_id]


def test_nowhere(
    app: Any,
    database: str,
    broker_settings: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    hostile: Hostile,
) -> None:
    seen = []
    with caplog.at_level(logging.DEBUG, "nereid_async"):
        browser = Browser(app)
        browser.log_in("ada@example.com")
        tasks = [
            browser.defer("echo", "x"),
            browser.defer("fail", "y"),
            browser.defer("retry_now", "/nonexistent/folder/file", 1),
        ]
        seen.append(repr(query(database, "SELECT * FROM async_task")))
        if broker_settings["broker"] == "sqs":
            seen.append(repr(messages(broker_settings)))
        burst(app)
        answers = [browser.get(task["url"]) for task in tasks]
        answers.append(browser.delete(tasks[0]["url"]))
        seen += [answer.text for answer in answers]
    seen.append(repr(query(database, "SELECT * FROM async_task")))
    seen.append(repr(query(database, "SELECT * FROM async_run")))
    ours = [it for it in caplog.records if it.name.startswith("nereid_async")]
    assert ours
    seen += [logging.Formatter().format(record) for record in ours]
    for secret in secrets(app, browser):
        hostile(any(secret in text for text in seen))


def messages(settings: dict[str, str]) -> list[str]:
    """All bodies in the queues of these settings; they stay there."""
    client = sqs_client(settings["sqs_endpoint_url"])
    urls = client.list_queues(QueueNamePrefix=settings["sqs_queue_prefix"])
    bodies = [
        message["Body"]
        for url in urls["QueueUrls"]
        for message in client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages", [])
    ]
    assert bodies
    return bodies
