"""With a key for encryption nobody reads arguments or results where they lie."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable

import pytest

from devtools.browser import Browser
from devtools.tryton_conf import remove_option
from devtools.workers import burst
from nereid_async import AsyncResult
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, app_config, sqs_settings
from tests.helpers import query, run_until, states
from tests.marks import ONE_DATABASE

Hostile = Callable[[bool], None]

KEY = base64.urlsafe_b64encode(b"a key of 32 bytes, for the tests").decode()
NEW_KEY = base64.urlsafe_b64encode(b"the key after the rotation of it").decode()
SECRET = "4242 4242 4242 4242"


@pytest.fixture(params=["database", "sqs", "bare", "rows on sqs"])
def broker_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Wherever arguments and results may lie."""
    if request.param == "database":
        return {"broker": "database"}
    settings = sqs_settings(request.getfixturevalue("ministack"))
    if request.param == "bare":
        return {**settings, "outbox": "no"}
    if request.param == "rows on sqs":
        return {**settings, "results": "database"}
    return settings


def kept(database: str, queue: TaskQueue | None) -> str:
    """All that an onlooker finds in rows and queues."""
    found = [repr(query(database, "SELECT * FROM async_task"))]
    if queue is not None:
        answer = queue.client.receive_message(
            QueueUrl=queue.url(), MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        found += [message["Body"] for message in answer.get("Messages", [])]
        found += queue.replies()
    return "\n".join(found)


@pytest.mark.parametrize("key", ["", KEY], ids=["without", "with"])
def test_nowhere_in_plain_text(
    app_factory: AppFactory,
    broker_settings: dict[str, str],
    database: str,
    request: pytest.FixtureRequest,
    key: str,
) -> None:
    """What was asked for is there all the same."""
    settings = app_config(broker_settings)
    if key:
        settings["ASYNC_ENCRYPTION_KEY"] = key
    app = app_factory(**settings)
    queue = None
    if broker_settings["broker"] == "sqs":
        queue = TaskQueue(broker_settings, database)
    browser = Browser(app)
    task = browser.defer("echo", kwargs={"card": SECRET})
    seen = [kept(database, queue)]
    burst(app)
    seen.append(kept(database, queue))
    # Without a key both are there to be read, in one place or another.
    assert [SECRET in text for text in seen] == [not key, not key]
    assert browser.get(task["url"]).json["result"] == {"card": SECRET}


class TestKeys:
    @pytest.fixture
    def broker_settings(self) -> dict[str, str]:
        return {"broker": "database"}

    @ONE_DATABASE
    def test_python_gets_the_value(
        self, script: Script, tryton_conf: ConfWriter
    ) -> None:
        tryton_conf(encryption_key=KEY)
        value = {"card": SECRET, "none": None}
        assert script.value_of(lambda: script.record.echo.defer(value)) == value

    @ONE_DATABASE
    def test_after_a_rotation(self, script: Script, tryton_conf: ConfWriter) -> None:
        tryton_conf(encryption_key=KEY)
        with script.transaction():
            done = script.record.echo.defer("done")
        script.burst()
        with script.transaction():
            waiting = script.record.echo.defer("waiting")
        tryton_conf(encryption_key=f"{NEW_KEY},{KEY}")
        script.burst()
        with script.transaction():
            for handle, value in ((done, "done"), (waiting, "waiting")):
                assert AsyncResult(handle.id).get(10) == value

    @ONE_DATABASE
    def test_what_was_deferred_before_there_was_a_key(
        self, script: Script, tryton_conf: ConfWriter
    ) -> None:
        with script.transaction():
            result = script.record.echo.defer("plain")
        tryton_conf(encryption_key=KEY)
        script.burst()
        with script.transaction():
            assert AsyncResult(result.id).get(10) == "plain"

    @ONE_DATABASE
    @pytest.mark.parametrize("key", [None, NEW_KEY], ids=["none", "another"])
    def test_a_worker_without_the_key_leaves_it_to_one_that_has_it(
        self,
        script: Script,
        tryton_conf: ConfWriter,
        caplog: pytest.LogCaptureFixture,
        key: str | None,
    ) -> None:
        tryton_conf(encryption_key=KEY)
        with script.transaction():
            script.record.write_entry.defer("x")
        _set_key(tryton_conf, key)
        script.burst()
        assert states(script.database) == ["pending"]
        assert "encryption_key" in caplog.text
        tryton_conf(encryption_key=KEY)
        run_until(script, lambda: states(script.database) == ["done"])

    @ONE_DATABASE
    def test_a_result_whose_key_is_gone(
        self, app_factory: AppFactory, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = app_factory(ASYNC_ENCRYPTION_KEY=KEY)
        browser = Browser(app)
        task = browser.defer("echo", SECRET)
        burst(app)
        after = Browser(app_factory(ASYNC_ENCRYPTION_KEY=NEW_KEY))
        after.jar.update(browser.jar)
        with caplog.at_level(logging.ERROR):
            assert after.get(task["url"]).status_code == 410
        assert "encryption_key" in caplog.text

    @ONE_DATABASE
    def test_a_result_copied_into_another_row_is_not_told(
        self, app_factory: AppFactory, database: str, hostile: Hostile
    ) -> None:
        """By somebody who writes rows, and asks for his own."""
        app = app_factory(ASYNC_ENCRYPTION_KEY=KEY)
        victim, thief = Browser(app), Browser(app)
        victim.defer("echo", SECRET)
        mine = thief.defer("echo", "mine")
        burst(app)
        ((stolen,),) = query(
            database, "SELECT result FROM async_task WHERE uuid != %s", mine["id"]
        )
        query(
            database,
            "UPDATE async_task SET result = %s WHERE uuid = %s",
            stolen,
            mine["id"],
        )
        answer = thief.get(mine["url"])
        hostile(SECRET in answer.text)
        assert answer.status_code == 410


def _set_key(tryton_conf: ConfWriter, key: str | None) -> None:
    from nereid_async.runtime import forget_databases

    if key is not None:
        tryton_conf(encryption_key=key)
    else:
        remove_option("async_sqs", "encryption_key")
        forget_databases()
