"""Calls with a key, of which one waits at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .current import current_task
from .deferred_call import DeferredCall
from .messages.message import Message
from .messages.outcome import State
from .messages.serialization import Json
from .messages.task_ids import Owner
from .rows import Row, TaskRows, UniqueKey
from .text_options import OnConflict, UniqueUntil


class UniqueCall(DeferredCall):
    """A deferred call with a key.

    :param encode: returns the signed text of a message.
    :ivar waiting_id: id of the task that it keeps or replaces; None if it makes one.
    :ivar own_id: the id that it was made with.
    """

    def __init__(
        self, message: Message, encode: Callable[[Message], str], unique: UniqueKey
    ) -> None:
        super().__init__(message, encode(message))
        self.unique = unique
        self.waiting_id: str | None = None
        self.own_id = message.id
        self._encode = encode
        self._is_of_itself = False

    @property
    def id(self) -> str:
        """Id of the task that runs."""
        return self.waiting_id or self.message.id

    @property
    def is_new(self) -> bool:
        """Whether it makes a task."""
        return self.waiting_id is None

    @property
    def keeps(self) -> bool:
        """Whether it makes no task, and changes none."""
        return self.waiting_id is not None and not self.unique.replaces

    def meet(self, waiting_id: str | None) -> None:
        """Keep or replace a waiting task; with None make a new one after all."""
        self.waiting_id = waiting_id
        self._is_of_itself = waiting_id is not None and waiting_id == current_task.id
        self._become(self.own_id if waiting_id is None or self.keeps else waiting_id)

    def take(self, later: UniqueCall) -> None:
        """Become a later call of the same key, with the id of this one."""
        task_id = self.id
        self.unique, self.message, self.text = later.unique, later.message, later.text
        self._become(task_id)

    def settle(self, rows: TaskRows, cursor: Any, notify: bool) -> None:
        """Keep or replace the waiting task, in the transaction that is to commit.

        :raises DatabaseOperationalError: that task has started, or was cancelled.
        """
        if self.waiting_id is None or not self.keeps:
            state = rows.replace(cursor, self.row, notify)
            self.is_to_send = state is State.PENDING
            return
        self.is_to_send = False
        # A task that has its key until its finish gives it up in this transaction.
        if not self._is_of_itself:
            rows.keep(cursor, self.waiting_id, notify)

    def place_apart(self, rows: TaskRows, notify: bool) -> None:
        """Make a task in a transaction of its own, or keep or replace the waiting one.

        Whatever was found before: the waiting task may have started meanwhile, or there
        may be one now.
        """
        placed = rows.place_apart(self.unique, self.own_id, self.row_as, notify)
        self.meet(None if placed.id == self.own_id else placed.id)
        self.is_to_send = placed.state is State.PENDING

    def row_as(self, task_id: str) -> Row:
        """The row of the call with another id."""
        self._become(task_id)
        return self.row

    @property
    def row(self) -> Row:
        """The row to write for it."""
        return Row(self.message, self.text, self.unique)

    def _become(self, task_id: str) -> None:
        if task_id == self.message.id:
            return
        self.message = replace(self.message, id=task_id)
        self.text = self._encode(self.message)


def unique_key(
    message: Message,
    on_conflict: OnConflict,
    unique_until: UniqueUntil,
    owner: Owner,
) -> UniqueKey:
    """What only one waiting task may have.

    Where a result is kept, that is per owner: nobody gets an id that he cannot read.
    """
    parts: list[Any] = [message.target.kind, message.target.name, message.key]
    parts.append(unique_until)
    if message.keep_result:
        parts += [owner.kind, owner.website, owner.secret, owner.user]
    return UniqueKey(_digest(parts), unique_until, on_conflict == "replace")


def key_of_arguments(
    instance: int | None,
    args: Sequence[Json],
    kwargs: Mapping[str, Json],
    names: Sequence[str],
) -> str:
    """The key of a call that only another one with the same arguments has.

    :param names: names of the positional arguments, which may be given by keyword.
    """
    named = dict(zip(names, args, strict=False)) | dict(kwargs)
    return _digest([instance, named, args[len(names) :]])


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
