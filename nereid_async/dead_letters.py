"""Dead letters: tasks and messages that no worker runs any more, for administrators.

Where the rows are the messages, the rows of failed tasks are the dead letters. On SQS
they are messages; the row of a task, if there is one, decides what becomes of it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias

from . import retrying
from .brokers.dead_letters import DeadMessage
from .errors import MessageError, TransportError
from .messages.message import Message
from .messages.outcome import State
from .messages.pointer import Pointer
from .messages.unverified import unverified
from .rows import ListedTask, Selection
from .runtime import Runtime

#: What became of a letter: its id, whether that was done, and a text.
Told: TypeAlias = "tuple[str, bool, str]"

_MOVED_BACK = "is in its queue again, where a worker decides"


@dataclass(frozen=True)
class Letter:
    """A dead letter.

    :ivar id: the task's id; SQS's own for a message that is not known to be a task's.
    :ivar task: full name of the method or function; None if that is not known.
    :ivar since: since when it is dead, in UTC.
    :ivar attempts: how many count; None if that is not known.
    :ivar failed: whether it is a task whose row has failed.
    :ivar obstacle: why it cannot be replayed; None if it can.
    """

    id: str
    task: str | None
    queue: str
    reason: str
    since: dt.datetime | None = None
    attempts: int | None = None
    failed: bool = False
    obstacle: str | None = None
    message: DeadMessage | None = None


class DeadLetters:
    """The dead letters of a database, as a context manager. For one thread.

    On SQS, letters that are looked at are hidden from others until the context ends.
    Letters of tasks that have run since, or are to, are removed when they are met.

    :param runtime: with its pool loaded, if it has rows.
    :ivar removed: number of letters that were removed so.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._queues = runtime.broker.dead_letters()
        self.removed = 0
        #: What was replayed. It may be dead again before the end, and is not replayed
        #: for ever.
        self._replayed: set[str] = set()

    def __enter__(self) -> DeadLetters:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._queues is not None:
            self._queues.close()

    # -- looking ---------------------------------------------------------------

    def count(self, queue: str | None = None) -> int:
        """The number of letters; on SQS an approximate one.

        :param queue: short name; None for all queues.
        """
        if self._queues is None:
            return len(self._failed_tasks((), queue))
        return sum(map(self._queues.count, self._named(queue)))

    def find(
        self, queue: str | None = None, ids: Collection[str] = ()
    ) -> Iterator[Letter]:
        """The letters of a queue, or those that are named.

        :param queue: short name; None for all queues.
        :param ids: of letters; none for all.
        :raises ConfigurationError: the queues cannot be listed.
        :raises TransportError: SQS or the database could not be asked.
        """
        if self._queues is None:
            found = self._failed_tasks(tuple(ids), queue)
            yield from map(_of_task, found)
            return
        missing = set(ids)
        for name in self._named(queue):
            for message in self._queues.received(name):
                if message.text in self._replayed:
                    continue
                letter = self._letter(message)
                if letter is None:
                    self._queues.delete(message)
                    self.removed += 1
                elif not ids or letter.id in missing:
                    missing.discard(letter.id)
                    yield letter
                if ids and not missing:
                    return

    def _named(self, queue: str | None) -> Sequence[str]:
        assert self._queues is not None
        return self._queues.queues() if queue is None else [queue]

    def _failed_tasks(
        self, ids: tuple[str, ...], queue: str | None
    ) -> list[ListedTask]:
        selection = Selection(ids, queue=queue, states=(State.FAILED,))
        return self._runtime.needed_rows.listed(selection, None)

    def _letter(self, message: DeadMessage) -> Letter | None:
        """The letter in a message; None if its task has run since, or is to."""
        try:
            sent = self._runtime.codec.decode_sent(message.text)
        except MessageError as error:
            return _unread(message, str(error))
        if isinstance(sent, Message):
            return _read(message, sent.pointer)
        if self._runtime.rows is None:
            text = "it has a row, and outbox = no here"
            return _read(message, sent, obstacle=text)
        return self._pointed(message, sent)

    def _pointed(self, message: DeadMessage, pointer: Pointer) -> Letter | None:
        """The letter of a task with a row."""
        rows = self._runtime.needed_rows
        task = next(iter(rows.listed(Selection((pointer.id,)), 1)), None)
        token = rows.token_of_failed(pointer.id)
        if token is not None and message.token in (None, token):
            attempts = None if task is None else task.attempt
            return _read(
                message, pointer, id=pointer.id, attempts=attempts, failed=True
            )
        own = pointer.identity in (None, self._runtime.identity.value)
        if not own or pointer.database != self._runtime.database:
            text = f"it is of another database, named {pointer.database}"
            return _read(message, pointer, obstacle=text)
        if pointer.queue != message.queue:
            text = f"it is a copy of a task of queue {pointer.queue}"
            return _read(message, pointer, obstacle=text)
        if task is None:
            text = "its task has no row any more"
            return _read(message, pointer, id=pointer.id, obstacle=text)
        return None

    # -- acting ----------------------------------------------------------------

    def replay(self, letters: Sequence[Letter]) -> Iterator[Told]:
        """Let letters run again, with a fresh start; tell what becomes of each.

        A failed task is requeued in its row, and anything else is sent to its queue.
        The letter is deleted after that.
        """
        failed = [it.id for it in letters if it.failed]
        again = retrying.retry(self._runtime, failed) if failed else []
        waiting = retrying.key_waits(self._runtime, failed) if failed else {}
        self._replayed |= {it.message.text for it in letters if it.message is not None}
        for it in letters:
            if it.obstacle is not None:
                yield it.id, False, it.obstacle
            elif it.id in waiting:
                yield it.id, False, f"stays, since task {waiting[it.id]} has its key"
            elif it.failed and it.id not in again:
                yield it.id, False, "is not failed any more"
            elif it.failed:
                yield self._settled(it, "runs again", self._delete)
            else:
                yield self._settled(it, _MOVED_BACK, self._move_back)

    def discard(self, letters: Sequence[Letter]) -> Iterator[Told]:
        """Delete letters for good, with the rows of their failed tasks."""
        failed = [it.id for it in letters if it.failed]
        if failed:
            retrying.discard(self._runtime, failed)
        for it in letters:
            yield self._settled(it, "discarded", self._delete)

    def forget(self, queue: str, ids: Collection[str]) -> None:
        """Delete the letters of tasks that were requeued or discarded by their rows.

        :raises TransportError: some may be there still.
        """
        if self._queues is None:
            return
        for letter in self.find(queue):
            if letter.id in ids:
                self._delete(letter)

    def _settled(
        self, letter: Letter, text: str, settle: Callable[[Letter], None]
    ) -> Told:
        try:
            settle(letter)
        except TransportError as error:
            # A task runs again all the same; its letter has no effect any more.
            done = letter.failed
            return letter.id, done, f"{text}; the letter is still there: {error}"
        return letter.id, True, text

    def _delete(self, letter: Letter) -> None:
        if self._queues is not None and letter.message is not None:
            self._queues.delete(letter.message)

    def _move_back(self, letter: Letter) -> None:
        if self._queues is not None and letter.message is not None:
            self._queues.move_back(letter.message)


def _of_task(task: ListedTask) -> Letter:
    error = {} if task.error is None else json.loads(task.error)
    since = task.finished_at
    if isinstance(since, str):
        since = dt.datetime.fromisoformat(since)
    return Letter(
        id=task.id,
        task=task.task,
        queue=task.queue,
        reason=f"{error.get('type')}: {error.get('message')}",
        since=since and since.replace(tzinfo=dt.timezone.utc),
        attempts=task.attempt,
        failed=True,
    )


def _read(message: DeadMessage, pointer: Pointer, **facts: Any) -> Letter:
    """A letter whose signature is right."""
    facts.setdefault("id", message.id)
    return Letter(
        task=pointer.name,
        queue=message.queue,
        reason=message.reason or "no worker has put it there",
        since=message.since,
        message=message,
        **facts,
    )


def _unread(message: DeadMessage, error: str) -> Letter:
    """A letter that cannot be decoded here; what it says is not believed."""
    says = unverified(message.text).id
    reason = message.reason or f"cannot be read here: {error}"
    of_task = "" if says is None else f" (of task {says}, as it says)"
    return Letter(
        id=message.id,
        task=None,
        queue=message.queue,
        reason=f"{reason}{of_task}",
        since=message.since,
        message=message,
    )
