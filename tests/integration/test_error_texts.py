"""A visitor reads what is meant for visitors; what else went wrong is for the log."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.workers import burst
from nereid_async.errors import TaskFailed
from tests.fixtures.apps import AppFactory
from tests.fixtures.scripts import Script
from tests.helpers import query
from tests.marks import ONE_DATABASE

Hostile = Callable[[bool], None]

#: As it comes out of a driver, a payment gateway and a converter.
DETAILS = (
    'relation "sale_sale" does not exist at 10.0.0.5:5432, '
    "https://api.example.com/charge?key=sk_live_4242, "
    "pdftk /srv/shop/secret.pdf exit status 1"
)
ENGLISH = re.compile(
    r"The task could not be completed\. If you ask us about it, please quote the error "
    r"number ([0-9a-f]{8})\."
)
GERMAN = re.compile(
    r"Die Aufgabe konnte nicht ausgeführt werden\. Bitte nennen Sie bei Rückfragen die "
    r"Fehlernummer ([0-9a-f]{8})\."
)

database_only = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)


def failed(browser: Browser, app: Any, task: str, *args: Any, **order: Any) -> Any:
    """What the browser is answered, once the task has failed."""
    made = browser.defer(task, *args, **order)
    burst(app)
    answer = browser.get(made["url"])
    assert (answer.status_code, answer.json["state"]) == (200, "failed"), answer.text
    return answer


@ONE_DATABASE
@pytest.mark.parametrize("keep", [True, False])
def test_details_are_not_for_the_browser(
    client: Browser,
    app: Any,
    database: str,
    caplog: pytest.LogCaptureFixture,
    hostile: Hostile,
    keep: bool,
) -> None:
    configure = {"ignore_result": not keep}
    answer = failed(client, app, "fail", DETAILS, configure=configure)
    for detail in ("sale_sale", "10.0.0.5", "sk_live", "pdftk", "ValueError"):
        hostile(detail in answer.text)
    error = answer.json["error"]
    assert error["type"] == "TaskFailed"
    told = ENGLISH.fullmatch(error["message"])
    assert told is not None
    # The number stands where an administrator looks.
    assert error["id"] == told[1]
    ((row,),) = query(database, "SELECT error FROM async_task")
    assert told[1] in row and "sk_live" in row
    (line,) = [it for it in caplog.records if "failed for good" in it.message]
    assert told[1] in line.message and line.levelno == logging.ERROR


@ONE_DATABASE
@database_only
def test_python_gets_all_of_it(script: Script) -> None:
    with script.transaction():
        result = script.record.fail.defer(DETAILS)
    script.burst()
    with script.transaction():
        with pytest.raises(TaskFailed) as caught:
            result.get(10)
    assert (caught.value.type, caught.value.message) == ("ValueError", DETAILS)
    assert "record.py" in caught.value.remote_traceback
    ((row,),) = query(script.database, "SELECT error FROM async_task")
    assert caught.value.error_id == json.loads(row)["id"]


@ONE_DATABASE
@pytest.mark.parametrize(
    "kind", ["UserError", "UserWarning", "RequiredValidationError"]
)
@database_only
def test_what_tryton_tells_its_users_is_told(
    client: Browser, app: Any, kind: str
) -> None:
    error = failed(client, app, "fail_as", kind, "Grüße: no stock left").json["error"]
    assert error == {"type": kind, "message": "Grüße: no stock left"}


@ONE_DATABASE
@database_only
def test_what_the_task_declares_public_is_told(client: Browser, app: Any) -> None:
    for kind in ("Refusal", "SpecialRefusal"):
        error = failed(client, app, "fail_as", kind, "come back later").json["error"]
        assert error == {"type": kind, "message": "come back later"}
    error = failed(client, app, "fail_as", "KeyError", "come back later").json["error"]
    assert error["type"] == "TaskFailed"


@ONE_DATABASE
@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("KeyError", True),
        ("builtins.LookupError", True),
        ("trytond.modules.async_test.record.Refusal", False),
        ("Error", False),
    ],
)
@database_only
def test_what_the_setting_declares_public_is_told(
    app_factory: AppFactory, broker_config: dict[str, str], name: str, public: bool
) -> None:
    app = app_factory(**broker_config, ASYNC_PUBLIC_ERRORS=f"shop.errors.Any, {name}")
    browser = Browser(app)
    error = failed(browser, app, "fail_as", "KeyError", "no such colour").json["error"]
    assert (error["type"] == "KeyError") == public
    assert ("no such colour" in error["message"]) == public


@ONE_DATABASE
@database_only
def test_the_sentence_is_in_the_visitors_language(client: Browser, app: Any) -> None:
    made = client.defer("fail", DETAILS, locale="de")
    burst(app)
    error = client.get(made["url"]).json["error"]
    assert GERMAN.fullmatch(error["message"])


@database_only
def test_what_fails_without_an_exception_of_its_own(
    app_factory: AppFactory, broker_config: dict[str, str], hostile: Hostile
) -> None:
    """Signed, and of no use to a worker: it never ran."""
    app = app_factory(**broker_config, ASYNC_UNKNOWN_GRACE=0)
    browser = Browser(app)
    made = browser.defer("echo", "x")
    query(app.database_name, "UPDATE async_task SET message = 'a secret. ' || message")
    burst(app)
    answer = browser.get(made["url"])
    assert answer.json["state"] == "failed"
    hostile("secret" in answer.text or "signing_key" in answer.text)
    assert ENGLISH.fullmatch(answer.json["error"]["message"])


@database_only
def test_a_failure_that_an_older_release_has_stored(
    client: Browser, app: Any, database: str, hostile: Hostile
) -> None:
    made = client.defer("echo", "x")
    query(
        database,
        "UPDATE async_task SET state = 'failed', error = %s",
        json.dumps({"type": "ValueError", "message": DETAILS}),
    )
    answer = client.get(made["url"])
    hostile("sk_live" in answer.text)
    assert answer.json["error"] == {
        "type": "TaskFailed",
        "message": "The task could not be completed.",
    }
