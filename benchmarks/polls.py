"""What a poll costs: through Nereid's dispatch, and by the cheap way, in one run.

    python -m benchmarks.polls [--seconds 5]

Starts a PostgreSQL of its own. Prints polls a second, and transactions and statements
per poll as the server counts them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from example_app import libmagic

libmagic.provide()

CACHE = Path(".pytest_cache/d/nereid_async")
DATABASE = "polls"


@dataclass(frozen=True)
class Cost:
    """What one kind of request costs.

    :ivar rate: requests a second, one after the other.
    """

    name: str
    rate: float
    transactions: float
    statements: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()

    from trytond.config import config

    config.set("database", "uri", "postgresql://")
    from tests.databases import postgresql_databases

    CACHE.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql_databases(Path(folder), CACHE) as databases,
    ):
        config.set("database", "uri", databases.uri)
        databases.clone(DATABASE)
        costs = _measure(databases, Path(folder), options.seconds)
    _print(costs)


def _measure(databases: Any, folder: Path, seconds: float) -> list[Cost]:
    from trytond.pool import Pool

    Pool(DATABASE).init()
    from nereid_async import NereidAsync
    from tests.fixtures.apps import bare_app
    from tests.helpers import Browser, burst

    app = bare_app(DATABASE, folder)
    NereidAsync().init_app(app)
    app.initialise()
    browser = Browser(app)
    done = browser.defer("echo", "x")["url"]
    burst(app)
    pending = browser.defer("echo", "x")["url"]
    cheap = app.wsgi_app
    meter = _Meter(databases, seconds)
    costs = []
    for name, way in (("Nereid's dispatch", cheap.wsgi_app), ("cheap poll", cheap)):
        app.wsgi_app = way
        for state, url in (("pending", pending), ("done", done)):
            costs.append(meter(f"{name}, {state}", lambda url=url: browser.get(url)))
    costs.append(meter("an empty Nereid view", lambda: browser.get("/en/nothing")))
    return costs


class _Meter:
    def __init__(self, databases: Any, seconds: float) -> None:
        import psycopg2

        self._connection = psycopg2.connect(databases.uri + DATABASE)
        self._connection.autocommit = True
        self._log = databases.log
        self._seconds = seconds

    def __call__(self, name: str, request: Callable[[], Any]) -> Cost:
        assert request().status_code < 300
        return Cost(name, self._rate(request), *self._counts(request))

    def _rate(self, request: Callable[[], Any]) -> float:
        number, end_s = 0, time.perf_counter() + self._seconds
        while time.perf_counter() < end_s:
            request()
            number += 1
        return number / self._seconds

    def _counts(self, request: Callable[[], Any]) -> tuple[float, float]:
        """Transactions and statements, by the server's own log."""
        number = 50
        self._execute("ALTER SYSTEM SET log_statement = 'all'")
        self._execute("SELECT pg_reload_conf()")
        _until_logged(self._log, lambda: self._execute("SELECT 'begin of count'"))
        start = self._log.stat().st_size
        for _ in range(number):
            request()
        text = self._log.read_bytes()[start:].decode(errors="replace")
        self._execute("ALTER SYSTEM RESET log_statement")
        self._execute("SELECT pg_reload_conf()")
        statements = [
            line.partition("statement: ")[2].strip().upper()
            for line in text.splitlines()
            if "statement: " in line
        ]
        begun = sum(it.startswith("BEGIN") for it in statements)
        ended = sum(it in ("COMMIT", "ROLLBACK") for it in statements)
        work = len(statements) - begun - ended
        return begun / number, work / number

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


def _until_logged(log: Path, mark: Callable[[], None]) -> None:
    while b"begin of count" not in log.read_bytes()[-2_000:]:
        mark()


def _print(costs: list[Cost]) -> None:
    print(f"{'':28}{'polls/s':>10}{'transactions':>14}{'statements':>12}")
    for it in costs:
        print(
            f"{it.name:28}{it.rate:10.0f}{it.transactions:14.1f}{it.statements:12.1f}"
        )


if __name__ == "__main__":
    main()
