"""What a worker's code cannot take is kept for a newer worker, and costs no attempt."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from trytond.pool import Pool

from devtools.messages import signer_of
from nereid_async import async_task
from nereid_async.errors import UnknownTask
from tests.fixtures.scripts import ConfWriter, Script
from tests.helpers import labels, query, states, wait_until
from tests.integration.conftest import SignalLog
from tests.marks import ONE_DATABASE, once

ON_ROWS = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)


def newer(cls: Any, label: str, shade: str) -> None:
    """A task as the newer release has it."""
    Pool().get("async_test.entry").log(f"{label} {shade}")


def older(cls: Any, label: str) -> None:
    """The same as the older release has it."""
    raise AssertionError("of the older release")


def failure(database: str) -> dict[str, str]:
    ((error,),) = query(database, "SELECT error FROM async_task")
    return dict(json.loads(error))


@pytest.fixture
def deploy(script: Script) -> Any:
    """Puts a release of the task ``shaded`` on the model of the tests."""
    Record = script.record

    def put(release: Callable[..., None]) -> Any:
        release.__name__ = "shaded"
        Record.shaded = async_task(max_attempts=1)(cast(Any, classmethod(release)))
        return Record.shaded

    yield put
    if "shaded" in vars(Record):
        del Record.shaded


@once
def test_arguments_of_a_newer_release(
    script: Script, database: str, deploy: Callable[[Any], Any], signal_log: SignalLog
) -> None:
    with script.transaction():
        deploy(newer).defer("sky", shade="blue")
    deploy(older)
    script.burst()
    assert states(database) in (["pending"], ["sent"])
    assert query(database, "SELECT attempt FROM async_run") == [(0,)]
    assert signal_log.facts("task_failed") == []
    deploy(newer)

    def ran() -> bool:
        script.burst()
        return states(database) == ["done"]

    wait_until(ran)
    assert labels(database) == ["sky blue"]


@ONE_DATABASE
@ON_ROWS
def test_arguments_that_no_release_takes_are_told_at_the_end(
    script: Script,
    database: str,
    deploy: Callable[[Any], Any],
    tryton_conf: ConfWriter,
    signal_log: SignalLog,
) -> None:
    with script.transaction():
        deploy(newer).defer("sky", shade="blue")
    deploy(older)
    tryton_conf(unknown_grace=0)
    script.burst()
    assert failure(database)["type"] == "UnknownArguments"
    assert "async_test.record.shaded" in failure(database)["message"]
    assert "'shade'" in failure(database)["message"]
    (facts,) = signal_log.facts("task_failed")
    assert "'shade'" in str(facts["error"])


@ONE_DATABASE
@ON_ROWS
@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ('"owner":"async_test.record"', '"owner":"newer.model"', "newer.model"),
        ('"method":"echo"', '"method":"newer_method"', "newer_method"),
        ('"kind":"model"', '"kind":"newer kind"', "newer kind"),
        ('"m":"async_test.record"', '"m":"newer.record"', "newer.record"),
        ('"$":"decimal"', '"$":"newer value"', "newer value"),
        ('"format":1', '"format":99', "format 99"),
    ],
)
def test_whatever_is_missing(
    script: Script,
    database: str,
    tryton_conf: ConfWriter,
    old: str,
    new: str,
    missing: str,
) -> None:
    with script.transaction(rate=Decimal("1.1")):
        (record,) = script.record.create([{"name": "x"}])
        script.record.echo.configure(max_attempts=1).defer(record)
    signer = signer_of(database)
    ((text,),) = query(database, "SELECT message FROM async_task")
    assert old in text
    changed = signer.sign(signer.unsign(text).replace(old, new))
    query(database, "UPDATE async_task SET message = %s", changed)
    script.burst()
    assert states(database) == ["pending"]
    assert query(database, "SELECT attempt FROM async_run") == [(0,)]
    tryton_conf(unknown_grace=0)
    query(database, "UPDATE async_task SET due_at = deferred_at")
    script.burst()
    assert states(database) == ["failed"]
    assert missing in failure(database)["message"]


def raises_unknown_task(cls: Any) -> None:
    """An error of a task that goes by a name of ours."""
    raise UnknownTask("of the task")


def raises_type_error(cls: Any) -> None:
    """The same of Python's."""
    newer(cls)  # type: ignore[call-arg]


@ONE_DATABASE
@ON_ROWS
@pytest.mark.parametrize("release", [raises_unknown_task, raises_type_error])
def test_an_error_of_the_running_task_is_its_own(
    script: Script, database: str, deploy: Callable[[Any], Any], release: Any
) -> None:
    with script.transaction():
        deploy(release).defer()
    script.burst()
    assert states(database) == ["failed"]
    assert failure(database)["type"] in ("UnknownTask", "TypeError")
