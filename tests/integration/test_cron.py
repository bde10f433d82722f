"""A worker runs what is due of Tryton's schedule, and what that defers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from trytond.pool import Pool
from trytond.transaction import Transaction

from devtools.workers import burst
from nereid_async.cli import main
from nereid_async.database import connections
from nereid_async.runtime import Runtime, of_database
from nereid_async.worker.intervals import Intervals
from nereid_async.worker.maintenance.cron import Cron, run_due
from tests.fixtures.scripts import Script
from tests.helpers import labels, query, run_until, states, wait_until
from tests.marks import ONE_BROKER, once

Schedule = Callable[..., None]


@pytest.fixture
def schedule(database: str) -> Iterator[Schedule]:
    """Makes entries of the schedule that are due now; there are no others."""
    query(database, "UPDATE ir_cron SET active = %s", False)

    def due(*methods: str) -> None:
        with Transaction().start(database, 1):
            Pool().get("ir.cron").create(
                [
                    {
                        "method": f"async_test.record|{method}",
                        "interval_number": 1,
                        "interval_type": "days",
                    }
                    for method in methods
                ]
            )

    yield due
    query(database, "DELETE FROM ir_cron WHERE active = %s", True)
    query(database, "UPDATE ir_cron SET active = %s", True)


@contextmanager
def cron_thread(runtime: Runtime) -> Iterator[None]:
    thread = Cron(runtime, Intervals(cron_pause_s=0.05))
    thread.start()
    try:
        yield
    finally:
        thread.stop()
        thread.join()


def test_an_entry_that_defers(script: Script, schedule: Schedule) -> None:
    schedule("defer_nightly")
    runtime = of_database(script.database)
    assert run_due(runtime)
    run_until(script, lambda: states(script.database) == ["done"])
    assert labels(script.database) == ["nightly"]
    # It is due tomorrow again.
    assert run_due(runtime)
    assert states(script.database) == ["done"]


def test_with_the_settings_of_the_web_app(app: Any, schedule: Schedule) -> None:
    schedule("defer_nightly")
    database = app.database_name
    with cron_thread(app.extensions["nereid_async"]):
        wait_until(lambda: states(database))
    burst(app)
    assert labels(database) == ["nightly"]


@ONE_BROKER
def test_one_worker_of_a_database(script: Script, schedule: Schedule) -> None:
    schedule("defer_nightly")
    with connections.try_lock(script.database, "cron"):
        assert not run_due(of_database(script.database))
    assert states(script.database) == []


@ONE_BROKER
def test_an_entry_that_fails(
    script: Script, schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    schedule("fail_nightly")
    with cron_thread(of_database(script.database)):
        wait_until(lambda: "of a night" in caplog.text)
        schedule("defer_nightly")
        wait_until(lambda: states(script.database) == ["pending"])


@ONE_BROKER
@pytest.mark.backends("postgresql")
def test_beside_trytond_cron(
    script: Script, schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    """It locks the table while it runs."""
    schedule("defer_nightly")
    with cron_thread(of_database(script.database)):
        with connections.transaction(script.database) as cursor:
            cursor.execute("LOCK ir_cron IN EXCLUSIVE MODE")
            # It might have been faster than the lock.
            if not states(script.database):
                wait_until(lambda: "trytond-cron may run, too" in caplog.text)
        wait_until(lambda: states(script.database) == ["pending"])
    assert "Traceback" not in caplog.text


@once
def test_a_burst_has_no_schedule(script: Script) -> None:
    words = ["worker", "-d", script.database, "--cron", "--burst"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "trytond-cron --once" in done.output
