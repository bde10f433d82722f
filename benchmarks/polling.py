"""What a poll costs, in a process of its own.

    python -m benchmarks.polling polling.json 3 /path/to/postgresql.log

Requests of each kind are made for so many seconds, one after the other; what they
cost goes into the file: requests a second, and transactions and statements a request
as PostgreSQL logs them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import work
from nereid_async.shop import libmagic

_COUNTED = 50
_ROUNDS = 3


def main() -> None:
    """Measure, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("log", type=Path)
    options = parser.parse_args()
    libmagic.provide()
    work.load_pool()
    meter = _Meter(options.log)
    requests = _requests(options.result.parent)
    rates: dict[str, list[float]] = {name: [] for name in requests}
    # In turn, so that a slow moment of the machine is everybody's.
    for _ in range(_ROUNDS):
        for name, request in requests.items():
            rates[name].append(_rate(request, options.seconds / _ROUNDS))
    costs = {
        name: (sum(rates[name]) / _ROUNDS, *meter.counts(request))
        for name, request in requests.items()
    }
    options.result.write_text(json.dumps(costs))


def _requests(folder: Path) -> dict[str, Callable[[], Any]]:
    from flask import Flask

    found: dict[str, Callable[[], Any]] = {}
    bare = Flask("bare")
    bare.add_url_rule("/", view_func=lambda: "nothing")
    client = bare.test_client()
    found["a bare Flask view"] = lambda: client.get("/")
    stores = {
        "database": {"ASYNC_BROKER": "database"},
        "sqs": {"ASYNC_BROKER": "sqs", "ASYNC_RESULTS": "sqs"},
        "sqs, bare": {
            "ASYNC_BROKER": "sqs",
            "ASYNC_RESULTS": "sqs",
            "ASYNC_OUTBOX": False,
        },
    }
    for store, config in stores.items():
        found |= _polls(store, config, folder)
    return found


def _polls(
    store: str, config: dict[str, Any], folder: Path
) -> dict[str, Callable[[], Any]]:
    from devtools.apps import bare_app
    from devtools.browser import Browser
    from devtools.workers import burst
    from nereid_async import NereidAsync

    # Each store has queues of its own.
    prefix = f"{os.environ['BENCH_QUEUE']}-{store.replace(', ', '-')}"
    app = bare_app(work.database(), folder, **config, ASYNC_SQS_QUEUE_PREFIX=prefix)
    NereidAsync().init_app(app)
    app.initialise()
    browser = Browser(app)
    done = browser.defer("echo", "x")["url"]
    burst(app)
    pending = browser.defer("echo", "x")["url"]
    fast, dispatched = app.wsgi_app, app.wsgi_app.wsgi_app

    def poll(url: str, way: Any) -> Callable[[], Any]:
        def ask() -> Any:
            app.wsgi_app = way
            return browser.get(url)

        return ask

    polls = {
        f"poll, {store} store, pending": poll(pending, fast),
        f"poll, {store} store, done": poll(done, fast),
    }
    if store == "database":
        polls["an empty Nereid view"] = poll("/en/nothing", fast)
        polls["the same poll through Nereid"] = poll(done, dispatched)
    return polls


def _rate(request: Callable[[], Any], seconds: float) -> float:
    assert request().status_code < 300
    number, started_s = 0, time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        request()
        number += 1
    return number / (time.perf_counter() - started_s)


class _Meter:
    """Counts transactions and statements by the server's own log."""

    def __init__(self, log: Path) -> None:
        import psycopg2

        self._connection = psycopg2.connect(os.environ["BENCH_POSTGRESQL"])
        self._connection.autocommit = True
        self._log = log

    def counts(self, request: Callable[[], Any]) -> tuple[float, float]:
        """Transactions and statements a request."""
        self._execute("ALTER SYSTEM SET log_statement = 'all'")
        self._execute("SELECT pg_reload_conf()")
        self._wait_for("begin of count")
        start = self._log.stat().st_size
        for _ in range(_COUNTED):
            request()
        self._wait_for("end of count")
        text = self._log.read_bytes()[start:].decode(errors="replace")
        self._execute("ALTER SYSTEM RESET log_statement")
        self._execute("SELECT pg_reload_conf()")
        statements = [
            line.partition("statement: ")[2].strip().upper()
            for line in text.splitlines()
            if "statement: " in line and "of count" not in line
        ]
        begun = sum(it.startswith("BEGIN") for it in statements)
        ended = sum(it in ("COMMIT", "ROLLBACK") for it in statements)
        asked = len(statements) - begun - ended
        return begun / _COUNTED, asked / _COUNTED

    def _wait_for(self, mark: str) -> None:
        while mark.encode() not in self._log.read_bytes()[-2_000:]:
            self._execute(f"SELECT '{mark}'")

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


if __name__ == "__main__":
    main()
