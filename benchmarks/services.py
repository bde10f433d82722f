"""The servers that all contenders share, and a database for each measurement."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools.databases import PostgreSQLDatabases, postgresql_databases, write_config
from devtools.servers import ministack
from nereid_async.shop import libmagic

PROJECT = Path(__file__).parent.parent
CACHE = Path(".pytest_cache/d/nereid_async")
SIGNING_KEY = "a-key-that-only-the-benchmarks-know"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """Where one measurement happens; travels to other processes as variables.

    :ivar database: a fresh Tryton database.
    :ivar queue: a name no other measurement uses.
    :ivar marks: where tasks note their starts.
    """

    conf: Path
    database: str
    postgresql: str
    sqs: str
    queue: str
    marks: Path
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables for processes that work here."""
        return {
            "TRYTOND_CONFIG": str(self.conf),
            "PYTHONPATH": str(PROJECT),
            "BENCH_DATABASE": self.database,
            "BENCH_POSTGRESQL": self.postgresql,
            "BENCH_SQS": self.sqs,
            "BENCH_QUEUE": self.queue,
            "BENCH_MARKS": str(self.marks),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_SQS": self.sqs,
        }


class Services:
    """PostgreSQL, with fsync as in production, and SQS's likeness."""

    def __init__(
        self, databases: PostgreSQLDatabases, sqs: str, calls: Path, folder: Path
    ) -> None:
        self.databases = databases
        self.sqs = sqs
        self._calls = calls
        self._folder = folder

    @contextmanager
    def place(self, minconn: int = 1, **options: object) -> Iterator[Place]:
        """A fresh database and an unused queue.

        :param minconn: ``[database] minconn``; trytond's own default is 1.
        :param options: for the section ``[async_sqs]``.
        """
        name = f"bench_{next(_numbers)}"
        self.databases.clone(name)
        conf = write_config(
            self._folder / f"{name}.conf",
            self.databases,
            database={"minconn": minconn},
            queue={"worker": True},
            async_sqs={
                "signing_key": SIGNING_KEY,
                "sqs_endpoint_url": self.sqs,
                "sqs_region": "us-east-1",
                "sqs_queue_prefix": name,
                "imports": "benchmarks.contenders.ours_tasks",
                **options,
            },
        )
        try:
            yield Place(
                conf=conf,
                database=name,
                postgresql=self.databases.uri + name,
                sqs=self.sqs,
                queue=name,
                marks=self._folder / f"{name}.marks",
                folder=self._folder,
            )
        finally:
            self.databases.drop(name)

    def calls(self) -> Counter[str]:
        """How often each operation of SQS was called so far."""
        return Counter(self._calls.read_text().split())


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Start the servers."""
    libmagic.provide()
    CACHE.mkdir(parents=True, exist_ok=True)
    calls = folder / "calls.log"
    with (
        postgresql_databases(folder, CACHE, durable=True) as databases,
        ministack(
            folder,
            [sys.executable, "-m", "benchmarks.counting_ministack"],
            BENCH_CALLS=str(calls),
        ) as sqs,
    ):
        yield Services(databases, sqs, calls, folder)
