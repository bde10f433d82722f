"""Steps of those who defer with a key: they look, and commit a while later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from trytond import backend

from devtools.messages import message
from nereid_async.database import connections
from nereid_async.rows import Row, TaskRows, UniqueKey
from tests.helpers import query

#: Tasks with and without a key, at most.
TASKS_MAX = 5
KEYS = [
    UniqueKey("a"),
    UniqueKey("a", replaces=True),
    UniqueKey("a until its finish", "finish"),
]


@dataclass
class Asker:
    """A transaction that is to defer with a key.

    :ivar found: the task that has the key, as the transaction sees it.
    """

    key: UniqueKey
    connection: Any
    found: str | None


class UniqueSteps(RuleBasedStateMachine):
    """Of the tasks with one key one waits, and none that has started takes a call."""

    rows: TaskRows
    database: Any
    ids: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.askers: list[Asker] = []
        #: The calls that have committed, by the tasks that must carry them.
        self.calls: dict[str, str] = {}
        self._number = 0

    @precondition(lambda self: len(self.askers) < 2 and len(self.ids) < TASKS_MAX)
    @rule(key=st.sampled_from(KEYS))
    def look(self, key: UniqueKey) -> None:
        """A transaction begins, and looks for a task of its key."""
        asker = Asker(key, self.database.get_connection(), None)
        cursor = connections.cursor_of(asker)
        asker.found = self.rows.waiting(cursor, [key.value]).get(key.value)
        self.askers.append(asker)

    @precondition(lambda self: self.askers)
    @rule(index=st.integers(0, 1))
    def vote(self, index: int) -> None:
        """It commits; or it has to begin again, and commits then."""
        asker = self.askers.pop(index % len(self.askers))
        self._number += 1
        text = f"call {self._number}"
        try:
            self._write(asker, text)
        except backend.DatabaseOperationalError as error:
            event(f"a call is made again: {type(error).__name__}")
            asker.connection.rollback()
            cursor = connections.cursor_of(asker)
            key = asker.key.value
            asker.found = self.rows.waiting(cursor, [key]).get(key)
            self._write(asker, text)
        finally:
            self._end(asker)

    def _write(self, asker: Asker, text: str) -> None:
        cursor, key, found = connections.cursor_of(asker), asker.key, asker.found
        made = message(max_attempts=1_000, **({"id": found} if found else {}))
        row = Row(made, text, key)
        if found is None:
            self.rows.insert(cursor, [row], notify=True)
        elif key.replaces:
            self.rows.replace(cursor, row, notify=True)
        else:
            self.rows.keep(cursor, found, notify=True)
        asker.connection.commit()
        if found is None:
            self.ids.append(made.id)
        if found is None or key.replaces:
            self.calls[made.id] = text
        ((state, until),) = query(
            self.rows.database,
            "SELECT state, unique_until FROM async_task WHERE uuid = %s",
            made.id,
        )
        assert until == key.until
        assert state in ("pending", "sent") or key.until == "finish"

    @invariant()
    def one_has_a_key(self) -> None:
        counts = query(
            self.rows.database,
            "SELECT count(*) FROM async_task WHERE unique_until IS NOT NULL AND "
            "state IN ('pending', 'sent', 'running') GROUP BY unique_key",
        )
        assert all(count == 1 for (count,) in counts)

    @invariant()
    def a_started_task_has_given_up_its_key(self) -> None:
        kept = query(
            self.rows.database,
            "SELECT uuid FROM async_task "
            "WHERE unique_until = 'start' AND state IN ('running', 'done')",
        )
        assert kept == []

    def teardown(self) -> None:
        for asker in self.askers:
            self._end(asker)
        self.askers.clear()

    def _end(self, asker: Asker) -> None:
        asker.connection.rollback()
        self.database.put_connection(asker.connection)
