"""GET and DELETE /async/result/<uuid>: the answer for its owner, and no other."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from devtools.browser import Browser
from nereid_async import AsyncResult
from tests.fixtures.apps import AppFactory
from tests.helpers import query
from tests.marks import ONE_DATABASE, once

Burst = Callable[[], None]


def check_common(answer: Any, content_type: str = "application/json") -> None:
    """What every answer of the endpoint has."""
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type.partition(";")[0] == content_type


# States.


def test_from_pending_to_done(client: Browser, burst: Burst) -> None:
    task = client.defer("echo", "the value")
    answer = client.get(task["url"])
    assert answer.status_code == 202
    assert answer.json == {"id": task["id"], "state": "pending", "progress": None}
    assert int(answer.headers["Retry-After"]) >= 1
    check_common(answer)
    burst()
    answer = client.get(task["url"])
    assert answer.status_code == 200
    assert {**answer.json, "acknowledge": 0} == {
        "id": task["id"],
        "state": "done",
        "result": "the value",
        "acknowledge": 0,
    }
    check_common(answer)


def test_reading_does_not_consume(client: Browser, burst: Burst) -> None:
    task = client.defer("echo", [1, 2])
    burst()
    answers = [client.get(task["url"]) for _ in range(3)]
    assert [answer.json["result"] for answer in answers] == [[1, 2]] * 3


def test_reading_in_python_does_not_consume_either(
    app: Any, client: Browser, burst: Burst
) -> None:
    task = client.defer("echo", "x")
    burst()
    with app.app_context():
        result = AsyncResult(task["id"])
        assert result.ready()
        assert result.get(timeout=5) == "x"
    assert client.get(task["url"]).json["result"] == "x"
    result.acknowledge()
    assert client.get(task["url"]).status_code == 410


def test_a_failure_without_its_traceback(client: Browser, burst: Burst) -> None:
    task = client.defer("fail_as", "UserError", "the reason")
    burst()
    answer = client.get(task["url"])
    assert answer.status_code == 200
    assert answer.json["state"] == "failed"
    assert answer.json["error"] == {"type": "UserError", "message": "the reason"}
    assert "result" not in answer.json
    assert "record.py" not in answer.text
    assert "Traceback" not in answer.text
    check_common(answer)


def test_an_ignored_result_is_null(client: Browser, burst: Burst) -> None:
    task = client.defer("bare", "x")
    burst()
    answer = client.get(task["url"])
    assert (answer.status_code, answer.json["state"]) == (200, "done")
    assert answer.json["result"] is None


@ONE_DATABASE
@pytest.mark.parametrize("value", [None, 0, False, "", [], {}, "<b>&\u2028"])
def test_plain_values(client: Browser, burst: Burst, value: Any) -> None:
    task = client.defer("echo", value)
    burst()
    assert json.loads(client.get(task["url"]).text)["result"] == value


def test_progress_is_told_while_it_runs(
    client: Browser, app: Any, burst: Burst, tmp_path: Any
) -> None:
    import threading

    from tests.helpers import wait_until

    started, go = tmp_path / "started", tmp_path / "go"
    task = client.defer("report_progress", str(started), str(go))
    thread = threading.Thread(target=burst)
    thread.start()
    try:
        wait_until(started.exists)
        answer = wait_until(
            lambda: (
                (found := client.get(task["url"])).json["state"] == "running" and found
            )
        )
        assert answer.status_code == 202
        expected = {"done": 3, "total": 10, "message": "rendering"}
        assert answer.json["progress"] == expected
    finally:
        go.touch()
        thread.join()
    assert client.get(task["url"]).json["result"] == "finished"


# Whose.


def snapshot(answer: Any) -> tuple[Any, ...]:
    """All of an answer that a visitor can tell apart."""
    headers = sorted(
        (name, value) for name, value in answer.headers if name.lower() != "date"
    )
    return answer.status, headers, answer.data


def test_the_three_no_answers_are_one(client: Browser, app: Any, burst: Burst) -> None:
    task = client.defer("echo", "secret")
    burst()
    stranger = Browser(app)
    stranger.defer("echo", "something of one's own")
    unknown = str(uuid.uuid4())
    paths = [
        task["url"],
        f"/async/result/{unknown}",
        "/async/result/not-a-uuid",
        f"/async/result/{task['id'].upper()}",
        f"/async/result/{task['id'].replace('-', '')}",
        f"/async/result/{task['id']}0",
        "/async/result/%00",
        "/async/result/" + "x" * 2_000,
    ]
    answers = [snapshot(stranger.get(path)) for path in paths]
    assert answers[0][0] == "404 NOT FOUND"
    assert answers == [answers[0]] * len(paths)
    answer = stranger.get(task["url"])
    check_common(answer, "application/problem+json")
    assert answer.json["status"] == 404
    assert "secret" not in answer.text
    # The same for who has no session at all.
    nobody = [snapshot(Browser(app).get(path)) for path in paths[:3]]
    assert nobody == [answers[0]] * 3


def test_a_pending_task_of_another_visitor_is_unknown(
    client: Browser, app: Any
) -> None:
    task = client.defer("echo", "secret")
    assert Browser(app).get(task["url"]).status_code == 404


def test_deleting_what_is_anothers_is_unknown_too(
    client: Browser, app: Any, burst: Burst
) -> None:
    task = client.defer("echo", "mine")
    burst()
    stranger = Browser(app)
    paths = [task["url"], f"/async/result/{uuid.uuid4()}", "/async/result/x"]
    answers = [snapshot(stranger.delete(path)) for path in paths]
    assert answers == [answers[0]] * 3
    assert answers[0][0] == "404 NOT FOUND"
    assert client.get(task["url"]).json["result"] == "mine"


@once
def test_an_anonymous_visitor_still_reads_it_after_login(
    client: Browser, burst: Burst
) -> None:
    task = client.defer("echo", "x")
    burst()
    client.log_in("ada@example.com")
    assert client.get(task["url"]).status_code == 200
    client.log_out()
    assert client.get(task["url"]).status_code == 200


@once
def test_what_a_user_asked_for_is_gone_with_the_login(
    client: Browser, burst: Burst
) -> None:
    client.log_in("ada@example.com")
    task = client.defer("echo", "of ada")
    burst()
    assert client.get(task["url"]).json["result"] == "of ada"
    client.log_out()
    assert client.get(task["url"]).status_code == 404
    client.log_in("grace@example.com")
    assert client.get(task["url"]).status_code == 404
    client.log_out()
    client.log_in("ada@example.com")
    assert client.get(task["url"]).status_code == 200


@once
def test_the_same_user_in_another_browser_has_not_asked(
    client: Browser, app: Any, burst: Burst
) -> None:
    client.log_in("ada@example.com")
    task = client.defer("echo", "x")
    burst()
    other = Browser(app)
    other.log_in("ada@example.com")
    assert other.get(task["url"]).status_code == 404


def test_a_shared_task_is_for_who_has_the_link(
    client: Browser, app: Any, burst: Burst
) -> None:
    declared = client.defer("shared_value", "for all")
    configured = client.defer("echo", "for all", configure={"shared": True})
    burst()
    for task in (declared, configured):
        answer = Browser(app).get(task["url"])
        assert answer.status_code == 200
        assert answer.json["result"] == "for all"


def test_a_task_of_a_nested_transaction_is_the_visitors_too(
    client: Browser, burst: Burst
) -> None:
    task = client.defer("echo", 1, nested=True)
    burst()
    assert client.get(task["url"]).status_code == 200


def test_tasks_of_scripts_are_never_served(
    client: Browser, script: Any, app: Any
) -> None:
    client.defer("echo", "so that there is a session")
    with script.transaction():
        result = script.record.echo.defer("from a script")
    script.burst()
    assert client.get(result.url).status_code == 404
    assert Browser(app).get(result.url).status_code == 404


# Done with it.


def test_delete_then_gone(client: Browser, burst: Burst) -> None:
    task = client.defer("echo", "x")
    burst()
    answer = client.delete(task["url"])
    assert answer.status_code == 204
    assert answer.data == b""
    assert answer.headers["Cache-Control"] == "no-store"
    for _ in range(2):
        answer = client.get(task["url"])
        assert answer.status_code == 410
        check_common(answer, "application/problem+json")
        assert answer.json["status"] == 410
    assert client.delete(task["url"]).status_code in (204, 410)


def test_deleting_too_early_loses_nothing(client: Browser, burst: Burst) -> None:
    task = client.defer("echo", "x")
    client.delete(task["url"])
    burst()
    assert client.get(task["url"]).status_code in (200, 410)


def test_expired_is_410_and_forgotten_is_404(
    client: Browser, database: str, burst: Burst
) -> None:
    task = client.defer("echo", "x")
    burst()
    query(database, "UPDATE async_task SET expires_at = %s", "2020-01-01 00:00:00")
    assert client.get(task["url"]).status_code == 410
    query(database, "DELETE FROM async_task")
    assert client.get(task["url"]).status_code == 404


# Methods and parameters.


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
@pytest.mark.parametrize(
    ("column", "written"),
    [
        *(("result", it) for it in ("5", "null", "[]", "{}", '{"error": 5}', "x")),
        *(("error", it) for it in ("5", "null", "{}", '{"type": "T"}', "x")),
    ],
)
def test_an_outcome_that_nothing_of_ours_wrote_is_410(
    client: Browser, burst: Burst, database: str, column: str, written: str
) -> None:
    task = client.defer("echo", "x")
    burst()
    query(database, "UPDATE async_task SET result = NULL")
    query(database, f"UPDATE async_task SET {column} = %s", written)
    assert client.get(task["url"]).status_code == 410
    assert client.delete(task["url"]).status_code == 204


def test_head_is_get_without_a_body(client: Browser, burst: Burst) -> None:
    task = client.defer("echo", "x")
    for expected in (202, 200):
        answer = client.client.head(task["url"])
        assert answer.status_code == expected
        assert answer.data == b""
        assert answer.headers["Cache-Control"] == "no-store"
        burst()


@once
def test_options_and_other_methods(client: Browser) -> None:
    task = client.defer("echo", "x")
    answer = client.client.options(task["url"])
    assert answer.status_code in (200, 204)
    assert {"GET", "HEAD", "DELETE", "OPTIONS"} <= set(
        answer.headers["Allow"].replace(" ", "").split(",")
    )
    assert client.post(task["url"]).status_code == 405
    assert client.send("PUT", task["url"]).status_code == 405


@once
def test_waiting_is_bounded(app_factory: AppFactory, burst: Burst) -> None:
    import time

    browser = Browser(app_factory(ASYNC_POLL_MAX_WAIT=1, ASYNC_POLL_MAX_HELD=1))
    task = browser.defer("echo", "x")
    started = time.monotonic()
    assert browser.get(task["url"] + "?wait=30").status_code == 202
    assert 0.8 < time.monotonic() - started < 5


@once
def test_waiting_is_off_by_default(client: Browser) -> None:
    import time

    task = client.defer("echo", "x")
    client.get(task["url"])
    started = time.monotonic()
    assert client.get(task["url"] + "?wait=30").status_code == 202
    assert time.monotonic() - started < 2


@ONE_DATABASE
@pytest.mark.parametrize("wait", ["", "x", "-1", "nan", "inf", "1e999"])
def test_a_bad_wait_is_no_error(app_factory: AppFactory, wait: str) -> None:
    browser = Browser(app_factory(ASYNC_POLL_MAX_WAIT=0.2, ASYNC_POLL_MAX_HELD=1))
    task = browser.defer("echo", "x")
    assert browser.get(f"{task['url']}?wait={wait}").status_code in (202, 400)


def test_a_wait_ends_when_the_task_does(app_factory: AppFactory, burst: Any) -> None:
    import threading
    import time

    app = app_factory(ASYNC_POLL_MAX_WAIT=30, ASYNC_POLL_MAX_HELD=1)
    browser = Browser(app)
    task = browser.defer("echo", "x")
    from devtools.workers import burst as run

    timer = threading.Timer(0.5, run, [app])
    timer.start()
    started = time.monotonic()
    answer = browser.get(task["url"] + "?wait=30")
    timer.join()
    assert answer.status_code == 200
    assert time.monotonic() - started < 15


@once
def test_no_locale_and_no_csrf_token_is_needed_to_read(
    client: Browser, burst: Burst
) -> None:
    task = client.defer("echo", "x")
    assert task["url"] == f"/async/result/{task['id']}"
    burst()
    assert client.client.get(task["url"]).status_code == 200


@once
def test_reading_sets_no_cookie(client: Browser, app: Any, burst: Burst) -> None:
    task = client.defer("echo", "x")
    burst()
    assert "Set-Cookie" not in client.get(task["url"]).headers
    assert "Set-Cookie" not in Browser(app).get(task["url"]).headers


@once
def test_the_script_is_served(client: Browser) -> None:
    answer = client.get("/async/client.js")
    assert answer.status_code == 200
    assert "javascript" in answer.content_type
    assert "asyncResult" in answer.text


@ONE_DATABASE
def test_an_unreachable_store_is_503(app_factory: AppFactory, proxy: Any) -> None:
    from devtools.workers import burst as run
    from tests.fixtures.services import app_config, sqs_settings

    app = app_factory(**app_config({**sqs_settings(proxy.url), "outbox": "no"}))
    browser = Browser(app)
    task = browser.defer("echo", "x")
    run(app)
    assert browser.get(task["url"]).status_code == 200
    proxy.down = True
    answer = browser.get(task["url"])
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    check_common(answer, "application/problem+json")


@once
def test_decimals_dates_and_records_are_plain_for_browsers(
    client: Browser, burst: Burst, database: str
) -> None:
    task = client.defer("browser_values")
    burst()
    result = client.get(task["url"]).json["result"]
    assert result == {
        "decimal": "1.10",
        "date": "2026-11-25",
        "timedelta": 90.0,
        "bytes": "AP8=",
        "tuple": [1, 2],
        "record": {
            "model": "async_test.record",
            "id": result["record"]["id"],
            "rec_name": "me",
        },
    }
