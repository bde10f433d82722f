"""The result stores, each with what a worker does around it, behind one face."""

from __future__ import annotations

import uuid
from typing import Protocol

from devtools.messages import message
from nereid_async.messages.outcome import Outcome, State
from nereid_async.results.base import ResultStore
from nereid_async.results.database import DatabaseResults
from nereid_async.results.sqs import SqsResults
from nereid_async.rows import Row, TaskRows
from nereid_async.settings import Settings
from tests.fixtures.services import numbers, sqs_settings


class Keeper(Protocol):
    """A result store under test."""

    #: Whether it can tell a task that nobody deferred from one that waits.
    knows_tasks: bool

    def store(self) -> ResultStore:
        """The store, as another process would make it."""

    def defer(self) -> str:
        """Note a task, as its caller does; returns its id."""

    def start(self, task_id: str) -> None:
        """Take the task, as a worker does."""

    def finish(self, task_id: str, outcome: Outcome) -> None:
        """End a task that was taken, as a worker does."""

    def cancel(self, task_id: str) -> None:
        """Cancel a task that waits; without a row, as one that cancels itself."""


class PlainKeeper:
    """A store without rows: it knows of outcomes only."""

    knows_tasks = False

    def defer(self) -> str:
        return str(uuid.uuid4())

    def start(self, task_id: str) -> None:
        pass

    def finish(self, task_id: str, outcome: Outcome) -> None:
        self.store().put(task_id, outcome)

    def cancel(self, task_id: str) -> None:
        self.finish(task_id, Outcome(cancelled=True))

    def store(self) -> ResultStore:
        raise NotImplementedError


class BareSqsKeeper(PlainKeeper):
    """The store ``sqs`` without an outbox."""

    def __init__(self, endpoint: str) -> None:
        self.settings = settings_for(endpoint)

    def store(self) -> ResultStore:
        return SqsResults("shop", self.settings, None)


class RowKeeper:
    """The store ``database``, or ``sqs`` with an outbox."""

    knows_tasks = True

    def __init__(self, database: str, endpoint: str = "") -> None:
        self.rows = TaskRows(database)
        self.settings = settings_for(endpoint) if endpoint else None
        self._database = database

    def store(self) -> ResultStore:
        if self.settings is None:
            return DatabaseResults(self.rows)
        return SqsResults(self._database, self.settings, self.rows)

    def defer(self) -> str:
        made = message(database=self._database)
        self.rows.insert_apart([Row(made, "text")], notify=False)
        return made.id

    def start(self, task_id: str) -> None:
        claim = self.rows.claim_ids([task_id], 60)[task_id]
        self.rows.start(claim, "a worker")

    def finish(self, task_id: str, outcome: Outcome, ttl_s: float = 60) -> None:
        claim = self.rows.claim_ids([task_id], 60)[task_id]
        self.rows.finish_apart(claim, outcome, ttl_s)
        self.store().put(task_id, outcome)

    def cancel(self, task_id: str) -> None:
        assert self.rows.cancel(task_id) is State.PENDING


def settings_for(endpoint: str) -> Settings:
    """Settings with queues of one's own."""
    options = numbers(sqs_settings(endpoint))
    return Settings(signing_key=(b"k",), **options)
