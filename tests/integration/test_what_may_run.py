"""Rightly signed is not enough: what a message may do, where and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from trytond.pool import Pool

from devtools.apps import SECRET_KEY
from devtools.messages import message
from devtools.workers import burst_database
from nereid_async.errors import DeferralError
from nereid_async.messages.message import Message, Target
from nereid_async.runtime import of_database
from tests import plain_tasks
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, run_until, states
from tests.marks import ONE_DATABASE

Hostile = Callable[[bool], None]

database_only = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)


def rewrite(database: str, **changes: Any) -> Message:
    """Sign another message in place of the only row's, as whoever has the key can."""
    codec = of_database(database).codec
    ((text,),) = query(database, "SELECT message FROM async_task")
    changed = replace(codec.decode(text), **changes)
    query(database, "UPDATE async_task SET message = %s", codec.encode(changed))
    return changed


@database_only
class TestNames:
    @ONE_DATABASE
    def test_an_undecorated_method_does_not_run_with_only_tasks(
        self, script: Script, database: str, tryton_conf: ConfWriter
    ) -> None:
        """Deferred where it was allowed; the worker decides for itself."""
        with script.transaction():
            Pool().get("async.async").defer(
                "plain", "async_test.record", kwargs={"label": "undecorated"}
            )
            script.record.bare.defer("decorated")
        tryton_conf(only_tasks="yes", unknown_grace=0)
        run_until(script, lambda: states(database) == ["failed", "done"])
        assert labels(database) == ["decorated"]
        errors = query(database, "SELECT error FROM async_task ORDER BY id")
        assert "only_tasks" in errors[0][0]

    @ONE_DATABASE
    @pytest.mark.parametrize(
        "target",
        [
            Target("model", "async_test.record", "_hidden"),
            Target("model", "async_test.record", "__setup__"),
            Target("model", "async_test.record", "__class__"),
            Target("function", "tests.plain_tasks", "_hidden"),
        ],
        ids=lambda target: target.name,
    )
    def test_a_name_with_an_underscore_is_never_called(
        self, script: Script, database: str, hostile: Hostile, target: Target
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("x")
        rewrite(database, target=target)
        script.burst()
        hostile(bool(labels(database)))
        assert states(database) == ["failed"]

    @ONE_DATABASE
    def test_such_a_name_is_refused_at_defer(self, script: Script) -> None:
        with script.transaction():
            with pytest.raises(DeferralError, match=r"_hidden .*underscore"):
                script.record._hidden.defer("x")
            with pytest.raises(DeferralError, match=r"_hidden .*underscore"):
                plain_tasks._hidden.defer("x")
            with pytest.raises(DeferralError, match=r"_validate .*underscore"):
                Pool().get("async.async").defer("_validate", "async_test.record")


class TestOnSqs:
    @pytest.fixture
    def broker_settings(self, ministack: str) -> dict[str, str]:
        return sqs_settings(ministack)

    def test_a_message_runs_from_its_own_queue_only(
        self, script: Script, database: str, queue: TaskQueue, hostile: Hostile
    ) -> None:
        """Copied by somebody who may write to another queue."""
        with script.transaction():
            script.record.write_entry.configure(queue="slow").defer("x")
        ((text,),) = query(database, "SELECT message FROM async_task")
        queue.put(text)
        script.burst()
        hostile(bool(labels(database)))
        assert queue.dead() == [text]
        # The task itself is none the worse for it.
        burst_database(database, "slow")
        assert labels(database) == ["x"]
        assert states(database) == ["done"]

    def test_a_bare_message_is_refused_where_there_are_rows(
        self, script: Script, database: str, tryton_conf: ConfWriter, queue: TaskQueue
    ) -> None:
        """It would run as often as it is copied."""
        tryton_conf(outbox="no")
        with script.transaction():
            script.record.write_entry.defer("bare")
        tryton_conf(outbox="yes")
        script.burst()
        assert labels(database) == []
        assert len(queue.dead()) == 1

    @ONE_DATABASE
    @pytest.mark.parametrize(("age_s", "runs"), [(30, True), (90, False)])
    def test_a_bare_message_has_a_greatest_age(
        self,
        database: str,
        tryton_conf: ConfWriter,
        broker_settings: dict[str, str],
        queue: TaskQueue,
        age_s: float,
        runs: bool,
    ) -> None:
        """Kept by somebody, and put into the queue again."""
        options = {"outbox": "no", "bare_max_age": 60, **broker_settings}
        tryton_conf(signing_key=SECRET_KEY, **options)
        kept = message(
            "trytond-async",
            database=database,
            target=Target("model", "async_test.record", "write_entry"),
            args=["kept"],
            # The delay does not count.
            deferred_at_s=time.time() - age_s - 1_000,
            delay_s=1_000,
            outbox=False,
        )
        queue.put(of_database(database).codec.encode(kept))
        Script(database).burst()
        assert labels(database) == (["kept"] if runs else [])
        assert len(queue.dead()) == (0 if runs else 1)
