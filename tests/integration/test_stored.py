"""What an earlier version has left in tables and queues runs on this one.

``tests/fixtures/stored/`` has it, by version; ``devtools/stored.py`` wrote it with the
code of that version. Its times are moved to a few minutes ago.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devtools import stored
from devtools.databases import PROJECT, Databases
from nereid_async import AsyncResult
from nereid_async.errors import TaskFailed
from nereid_async.messages.outcome import State
from nereid_async.runtime import of_database
from nereid_async.worker import message_checks
from tests.fixtures.databases import opened
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import command, labels, query
from tests.unit.test_changelog import releases

FOLDER = PROJECT / "tests" / "fixtures" / "stored"
VERSIONS = sorted(path.stem for path in FOLDER.glob("*.json"))
DATABASE = "stored"
#: How long ago the last of it was written: claims have run out, results have not.
AGE = dt.timedelta(minutes=5)

# What SQLite cannot change of tables when a module is updated.
pytestmark = pytest.mark.filterwarnings("ignore:(Unable|Can not):UserWarning")

Rows = dict[str, list[dict[str, Any]]]


@cache
def content(version: str) -> Any:
    return json.loads((FOLDER / f"{version}.json").read_text())


def insert(rows: Rows) -> None:
    """Put rows with the columns of their time into the tables, which are emptied."""
    now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
    moved = now - AGE - max(_time(it["create_date"]) for it in rows["async_task"])
    for table in stored.TABLES:
        query(DATABASE, f"DELETE FROM {table}")
        for row in rows[table]:
            names = [it for it in row if row[it] is not None]
            columns = ", ".join(f'"{it}"' for it in names)
            marks = ", ".join("%s" for _ in names)
            values = [_value(it, row[it], moved) for it in names]
            query(
                DATABASE, f"INSERT INTO {table} ({columns}) VALUES ({marks})", *values
            )


def _value(column: str, value: Any, moved: dt.timedelta) -> Any:
    if column.endswith(("_at", "_date", "_until")):
        return str(_time(value) + moved)
    return bool(value) if column in ("web", "acknowledged") else value


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def make_old(rows: Rows) -> None:
    """Leave of our tables those of that version, with its columns."""
    for table in _ours():
        if table not in stored.TABLES:
            query(DATABASE, f'DROP TABLE "{table}"')
    for index in _indexes():
        query(DATABASE, f'DROP INDEX "{index}"')
    for table in stored.TABLES[:2]:
        known = rows[table][0].keys()
        for column in _columns(table) - known:
            query(DATABASE, f'ALTER TABLE "{table}" DROP COLUMN "{column}"')
        assert _columns(table) == known


def _ours() -> list[str]:
    from trytond import backend

    names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    if backend.name == "postgresql":
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    found = [it for (it,) in query(DATABASE, names)]
    return [it for it in found if it.startswith("async_") and "_test" not in it]


def _indexes() -> list[str]:
    from trytond import backend

    names = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    if backend.name == "postgresql":
        names = "SELECT indexname FROM pg_indexes WHERE indexname NOT LIKE '%%_pkey'"
    found = [it for (it,) in query(DATABASE, names)]
    return [it for it in found if it.startswith(stored.TABLES)]


def _columns(table: str) -> set[str]:
    from trytond.transaction import Transaction

    with Transaction().start(DATABASE, 0) as transaction:
        cursor = transaction.connection.cursor()
        cursor.execute(f'SELECT * FROM "{table}" WHERE 1 = 0')
        return {it[0] for it in cursor.description}


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """The version whose tables, with rows, were updated with the module."""
    rows = content(request.param)["rows"]
    databases.clone(DATABASE)
    try:
        make_old(rows)
        insert(rows)
        with opened(DATABASE, update=["async_sqs"]):
            yield request.param
    finally:
        databases.drop(DATABASE)


@pytest.fixture
def old_shop(version: str, tryton_conf: ConfWriter) -> Script:
    """A process with the key of that time."""
    tryton_conf(signing_key=stored.KEY)
    return Script(DATABASE)


@pytest.fixture
def old_queues(
    old_shop: Script, ministack: str, tryton_conf: ConfWriter
) -> Iterator[TaskQueue]:
    """The same with SQS."""
    settings = sqs_settings(ministack)
    tryton_conf(**settings)
    yield TaskQueue(settings, DATABASE)


def put(client: Any, url: str, message: dict[str, Any]) -> None:
    """Put a message on SQS as it was."""
    client.send_message(
        QueueUrl=url,
        MessageBody=message["body"],
        MessageAttributes=message["attributes"],
    )


def handle(rows: Rows, argument: str) -> AsyncResult[Any]:
    """The handle of the task that was called with an argument."""
    (found,) = [
        it["uuid"] for it in rows["async_task"] if f'"{argument}"' in it["message"]
    ]
    return AsyncResult(found)


def test_each_released_version_is_there() -> None:
    assert sorted(version for version, _ in releases()) == VERSIONS


def test_rows_of_before_the_update(
    version: str, old_shop: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that waited runs, and all that has finished is told."""
    rows = content(version)["rows"]
    query(DATABASE, "INSERT INTO async_test_record (id, name) VALUES (1, 'before')")
    monkeypatch.chdir(tmp_path)
    Path("go").touch()
    old_shop.burst("later", "trytond-async")
    assert sorted(labels(DATABASE)) == ["outlasted", "waits"]
    with old_shop.transaction():
        assert handle(rows, "after").get(timeout=0) == "after"
        assert handle(rows, "1.10").get(timeout=0) == {
            "price": Decimal("1.10"),
            "day": dt.datetime(2026, 11, 26, 12, 30),
            "data": b"\0",
            "pair": (1, 2),
        }
        assert handle(rows, "delayed").state() is State.PENDING
        assert handle(rows, "is done").get(timeout=0) == "is done"
        with pytest.raises(TaskFailed, match="has failed"):
            handle(rows, "has failed").get(timeout=0)


def test_commands_on_rows(version: str, old_shop: Script) -> None:
    rows = content(version)["rows"]
    insert(rows)
    failed, delayed = (handle(rows, it).id for it in ("has failed", "delayed"))
    assert "has failed" in command(DATABASE, "tasks show", failed)
    assert command(DATABASE, "retry", failed) == f"{failed}: runs again\n"
    assert "cancelled" in command(DATABASE, "cancel", delayed)
    assert "later" in command(DATABASE, "status")


def test_an_encrypted_row(
    version: str, old_shop: Script, tryton_conf: ConfWriter
) -> None:
    insert({**content(version)["encrypted"]})
    tryton_conf(encryption_key=stored.ENCRYPTION_KEY)
    before = labels(DATABASE)
    old_shop.burst()
    assert labels(DATABASE) == [*before, "a secret"]


def test_a_message(version: str, old_shop: Script, old_queues: TaskQueue) -> None:
    """It is taken as a pointer to its row."""
    part = content(version)["sqs"]
    insert(part)
    put(old_queues.client, old_queues.url(), part["message"])
    before = labels(DATABASE)
    old_shop.burst()
    assert labels(DATABASE) == [*before, "sent"]
    # A second copy does nothing.
    put(old_queues.client, old_queues.url(), part["message"])
    old_shop.burst()
    assert labels(DATABASE) == [*before, "sent"]
    assert old_queues.left() == 0


def test_a_message_without_a_row(
    version: str,
    old_shop: Script,
    old_queues: TaskQueue,
    tryton_conf: ConfWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = content(version)["bare"]
    tryton_conf(outbox="no")
    # Older ones than two weeks do not run.
    payload = json.loads(part["message"]["body"].rpartition(".")[0])
    now_s = payload["deferred_at_s"] + AGE.seconds
    monkeypatch.setattr(message_checks, "time", SimpleNamespace(time=lambda: now_s))
    put(old_queues.client, old_queues.url(), part["message"])
    before = labels(DATABASE)
    old_shop.burst()
    assert labels(DATABASE) == [*before, "bare"]


def test_a_reply(version: str, old_shop: Script, old_queues: TaskQueue) -> None:
    """The one who asked before the update reads it after."""
    part = content(version)["reply"]
    insert(part)
    result = AsyncResult[Any](part["async_task"][0]["uuid"])
    name = of_database(DATABASE).settings.sqs_queue_prefix
    name = f"{name}-{DATABASE}-reply-{result.id}"
    url = old_queues.client.create_queue(QueueName=name)["QueueUrl"]
    put(old_queues.client, url, part["message"])
    with old_shop.transaction():
        assert result.get(timeout=5) == "replied"
