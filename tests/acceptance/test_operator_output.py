"""What a worker tells an operator: a line at its start, one at its end, one a task."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from nereid_async import __version__
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.marks import once

READY = re.compile(
    rf"nereid_async {re.escape(__version__)} is ready: database (\S+), "
    r"broker database, queue\(s\) trytond-async, mail, "
    r"2 process\(es\) x 1 thread\(s\), pid \d+$"
)
#: How a library is deprecated is told to its developers.
DEPRECATED = "DeprecationWarning"


@pytest.fixture
def results(script: Script) -> list[Any]:
    """A task that is done, and one that fails for a reason that a user can mend."""
    with script.transaction():
        return [
            script.record.write_entry.defer("a"),
            script.record.write_and_fail.configure(queue="mail").defer("b"),
        ]


@once
def test_a_worker_says_what_it_is_and_what_it_did(
    script: Script, results: list[Any], commands: Commands, database: str
) -> None:
    words = ("--burst", "--queue", "trytond-async", "--queue", "mail")
    worker = commands.worker(*words, "--processes", "2", "--threads", "1")
    lines = commands.run(worker).splitlines()
    assert DEPRECATED not in worker.output
    (ready,) = [it for it in map(READY.search, lines) if it]
    assert ready[1] == database
    assert re.search(r"ended after [\d.]+ s with exit code 0: ", lines[-1])
    assert lines[-1].endswith("1 done, 1 failed, 0 retried, 0 cancelled")
    # What a user can mend is one line, and no error of the program.
    (failed,) = [it for it in lines if "failed for good" in it]
    assert "WARNING" in failed
    assert failed.endswith("UserError: The test refuses this.")
    assert "Traceback" not in worker.output
    assert "done in" not in worker.output


@once
def test_a_log_for_machines(results: list[Any], commands: Commands) -> None:
    words = ("--burst", "--queue", "trytond-async", "--queue", "mail", "-v")
    worker = commands.flask("worker", *words, "--log-format", "json")
    lines = commands.run(worker).splitlines()
    assert DEPRECATED not in worker.output
    logged = [json.loads(line) for line in lines]
    outcomes = {it["outcome"]: it for it in logged if "outcome" in it}
    done, failed = outcomes["done"], outcomes["failed"]
    assert done["task_id"] == results[0].id
    assert done["task"] == "async_test.record.write_entry"
    assert (done["queue"], done["attempt"], done["level"]) == (
        "trytond-async",
        1,
        "INFO",
    )
    assert done["duration_ms"] > 0 and done["wait_ms"] > 0
    assert (failed["level"], failed["queue"]) == ("WARNING", "mail")
    assert failed["error_id"] in failed["message"]


@once
@pytest.mark.parametrize("name", ["flask", "nereid-async"])
@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("no_such_module", "Could not import 'no_such_module'"),
        ("plain_app", "the app 'plain' does not have the extension"),
    ],
)
def test_a_wrong_app_is_told_in_a_line(
    script: Script, commands: Commands, name: str, app: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "plain_app.py").write_text("import flask\napp = flask.Flask('plain')\n")
    app_words = ("--app", app)
    words = (*app_words, "async") if name == "flask" else ()
    process = commands.start(
        name, *words, "status", *(() if name == "flask" else app_words)
    )
    assert process.wait(30) in (1, 2)
    assert told in process.output
    assert "Traceback" not in process.output


@once
def test_the_status_is_watched(script: Script, commands: Commands) -> None:
    words = ("-c", commands.conf, "-d", commands.database, "--watch", "0.1")
    watch = commands.start("nereid-async", "status", *words)
    watch.wait_until(lambda: watch.output.count("QUEUE") >= 2, "shown again")
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == 0, watch.output
    # Not a terminal: plain text.
    assert "\x1b" not in watch.output
    assert "Traceback" not in watch.output
