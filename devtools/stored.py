"""Writes the rows and messages of a version, for tests of the versions after it.

``python -m devtools.stored trytond.conf DATABASE`` prints them as JSON. It uses public
names and commands only, so it runs with the code of any version. The database has the
module ``async_test`` and nothing else to do; the queues are on a server of its own.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from devtools import servers

#: Signs all that is stored.
KEY = "signs-what-is-stored-in-tests-only"
#: Encrypts some of it.
ENCRYPTION_KEY = "c3RvcmVkIHJvd3MgYW5kIG1lc3NhZ2VzIG9mIHRlc3Q="
PREFIX = "stored"
#: A delay that no test lives to see the end of.
DELAY_S = 9 * 365 * 86_400
TABLES = ("async_task", "async_run", "async_identity")


def stored(config: Path, database: str) -> dict[str, Any]:
    """Make rows and messages of this version."""
    from trytond.config import config as tryton_config

    tryton_config.update_etc(str(config))
    from trytond.pool import Pool

    Pool(database).init()
    made = _Maker(config, database)
    found: dict[str, Any] = {"version": _version()}
    found["rows"] = made.rows()
    found["encrypted"] = made.encrypted()
    with servers.ministack(Path.cwd()) as url:
        sqs = {
            "broker": "sqs",
            "sqs_endpoint_url": url,
            "sqs_region": "us-east-1",
            "sqs_access_key": "test",
            "sqs_secret_key": "test",
            "sqs_queue_prefix": PREFIX,
            "sqs_wait_time": "1",
        }
        found["sqs"] = made.sent(sqs)
        found["bare"] = made.sent({**sqs, "outbox": "no"}, "bare")
        found["reply"] = made.replied(sqs)
    return found


def _version() -> str:
    from nereid_async import __version__

    return __version__


class _Maker:
    def __init__(self, config: Path, database: str) -> None:
        self._config = config
        self._database = database
        self._settings: dict[str, str] = {}

    def rows(self) -> dict[str, Any]:
        """Rows in each state: waiting, failed, done, and running in a killed worker."""
        self._use()

        def defer(record: Any) -> None:
            (one,) = record.create([{"name": "before"}])
            record.write_entry.configure(queue="later").defer("waits")
            one.rename.configure(queue="later").defer("after")
            day = dt.datetime(2026, 11, 26, 12, 30)
            value = {
                "price": Decimal("1.10"),
                "day": day,
                "data": b"\0",
                "pair": (1, 2),
            }
            record.echo.configure(queue="later").defer(**value)
            record.write_entry.configure(delay=DELAY_S, queue="later").defer("delayed")
            record.write_entry.defer("is done")
            record.fail.defer("has failed")

        self._defer(defer)
        self._work("--burst")
        self._defer(lambda it: it.outlast.configure(max_attempts=3).defer("log", "go"))
        self._kill()
        return self._tables()

    def encrypted(self) -> dict[str, Any]:
        """A row whose arguments are encrypted."""
        self._use(encryption_key=ENCRYPTION_KEY)
        self._defer(lambda record: record.write_entry.defer("a secret"))
        return self._tables()

    def sent(self, sqs: dict[str, str], name: str = "sent") -> dict[str, Any]:
        """A message, and its row if it has one."""
        self._use(**sqs)
        self._defer(lambda record: record.write_entry.defer(name))
        _wait_until(lambda: _messages(sqs, self._database, "trytond-async"))
        (message,) = _messages(sqs, self._database, "trytond-async", keep=False)
        return {"message": message, **self._tables()}

    def replied(self, sqs: dict[str, str]) -> dict[str, Any]:
        """A reply that nobody has read yet."""
        self._use(**sqs)
        self._defer(lambda record: record.write_entry.defer("replied"))
        self._work("--burst")
        rows = self._tables()
        (task,) = rows["async_task"]
        (reply,) = _messages(sqs, self._database, f"reply-{task['uuid']}")
        return {"message": reply, **rows}

    def _use(self, **settings: str) -> None:
        """Work with these settings, here and in workers."""
        self._settings = {"signing_key": KEY, **settings}

    def _defer(self, defer: Callable[[Any], object]) -> None:
        """In a process of its own: settings are read once."""
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            assert status == 0
            return
        from trytond.config import config as tryton_config
        from trytond.pool import Pool
        from trytond.transaction import Transaction

        tryton_config.add_section("async_sqs")
        for name, value in self._settings.items():
            tryton_config.set("async_sqs", name, value)
        with Transaction().start(self._database, 1, context={"company": 1}):
            defer(Pool().get("async_test.record"))
        os._exit(0)

    def _command(self, *arguments: str) -> list[str]:
        program = Path(sys.executable).with_name("nereid-async")
        config = ("-c", str(self._config), "-d", self._database)
        return [sys.executable, str(program), "worker", *config, *arguments]

    def _env(self) -> dict[str, str]:
        given = self._settings.items()
        return os.environ | {f"TRYTOND_ASYNC_SQS__{it.upper()}": v for it, v in given}

    def _work(self, *arguments: str) -> None:
        subprocess.run(self._command(*arguments), check=True, env=self._env())

    def _kill(self) -> None:
        """A worker dies while it runs the one task."""
        worker = subprocess.Popen(
            self._command(), start_new_session=True, env=self._env()
        )
        _wait_until(Path("log").exists)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def _tables(self) -> dict[str, Any]:
        """What is in the tables, which are emptied."""
        from trytond.transaction import Transaction

        found = {}
        with Transaction().start(self._database, 0) as transaction:
            cursor = transaction.connection.cursor()
            for table in TABLES:
                cursor.execute(f'SELECT * FROM "{table}" ORDER BY id')
                names = [it[0] for it in cursor.description]
                found[table] = [
                    dict(zip(names, row, strict=True)) for row in cursor.fetchall()
                ]
            cursor.execute("DELETE FROM async_task")
            cursor.execute("DELETE FROM async_run")
        return found


def _messages(
    sqs: dict[str, str], database: str, queue: str, keep: bool = True
) -> list[dict[str, Any]]:
    """The messages of a queue: their bodies and attributes."""
    import boto3

    client = boto3.client(
        "sqs",
        endpoint_url=sqs["sqs_endpoint_url"],
        region_name=sqs["sqs_region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    url = client.create_queue(QueueName=f"{PREFIX}-{database}-{queue}")["QueueUrl"]
    answer = client.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], VisibilityTimeout=0 if keep else 30
    )
    messages = answer.get("Messages", [])
    if not keep:
        for message in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [
        {"body": it["Body"], "attributes": it.get("MessageAttributes", {})}
        for it in messages
    ]


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    raise TypeError(type(value))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("database")
    given = parser.parse_args()
    made = stored(given.config.absolute(), given.database)
    text = json.dumps(made, indent=1, default=_plain)
    # Nothing about the machine: folders in tracebacks, and the names of workers.
    text = text.replace(f"{os.path.realpath(sys.prefix)}/", "")
    print(text.replace(f"{socket.gethostname()}:", "host:"))
