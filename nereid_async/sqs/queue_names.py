"""Full names of SQS queues: at most 80 characters out of ``A-Za-z0-9-_``.

The name of an ordered queue ends in ``.fifo``, and so does its dead-letter queue's.

Two queues never have the same full name, whatever the prefixes, databases and short
names, since a full name can be split from its end in one way only: in a short name each
hyphen is doubled, with none at its ends; a database's part has no hyphen; the prefix is
the rest.
"""

from __future__ import annotations

import hashlib
import re

from ..errors import ConfigurationError
from ..limits import SQS_QUEUE_NAME_MAX_CHARS
from ..messages.task_ids import ID_PATTERN
from ..queue_selection import ORDERED, is_ordered
from ..settings import DEFAULT_QUEUE, Settings, queue_name

#: With a uuid of 36 characters and ``-reply-`` this leaves 13 for a prefix.
DATABASE_MAX_CHARS = 24
_HASH_CHARS = 8
_DEAD = "-dead"
#: The hyphen of the default queue is not doubled, so no database may have its first
#: half as its part.
_TAKEN = DEFAULT_QUEUE.partition("-")[0]


class QueueNames:
    """The full names of the queues of one database.

    :raises ConfigurationError: the prefix or the default queue's name is too long.
    """

    def __init__(self, database: str, settings: Settings) -> None:
        prefix = settings.sqs_queue_prefix
        self._base = (f"{prefix}-" if prefix else "") + database_part(database)
        self._reply_pattern = re.compile(
            rf"{re.escape(self._base)}-reply-({ID_PATTERN})"
        )
        self.dead(settings.sqs_queue)
        _checked(self.reply("0" * 36), "sqs_queue_prefix")

    def task(self, queue: str) -> str:
        """The full name of the task queue with a short name.

        :raises ConfigurationError: the name is invalid or too long.
        """
        name, suffix = _written(queue)
        return _checked(f"{self._base}-{name}{suffix}", "queue")

    def dead(self, queue: str) -> str:
        """The full name of the dead-letter queue of the queue with a short name.

        :raises ConfigurationError: the name is invalid or too long.
        """
        name, suffix = _written(queue)
        return _checked(f"{self._base}-{name}{_DEAD}{suffix}", "queue")

    def reply(self, task_id: str) -> str:
        """The full name of the reply queue of a task."""
        return f"{self._base}-reply-{task_id}"

    @property
    def prefix(self) -> str:
        """What the name of every queue of the database begins with."""
        return f"{self._base}-"

    def short_name(self, name: str) -> str | None:
        """Short name of a task queue, by its full name; None for any other queue."""
        if not name.startswith(self.prefix):
            return None
        written = name.removeprefix(self.prefix)
        queue = written if written == DEFAULT_QUEUE else written.replace("--", "-")
        try:
            return queue if self.task(queue) == name else None
        except ConfigurationError:
            return None

    def short_name_of_dead(self, name: str) -> str | None:
        """Short name of the queue of a dead-letter queue; None for any other queue."""
        suffix = ORDERED if is_ordered(name) else ""
        stem = name.removesuffix(suffix)
        if not stem.endswith(_DEAD):
            return None
        return self.short_name(stem.removesuffix(_DEAD) + suffix)

    @property
    def reply_prefix(self) -> str:
        """The beginning of the names of all reply queues."""
        return f"{self._base}-reply-"

    def task_id_of_reply(self, name: str) -> str | None:
        """The task's id in the name of a reply queue; None for any other name."""
        match = self._reply_pattern.fullmatch(name)
        return match and match[1]


def checked_queue(name: str) -> str:
    """Check the short name of a queue and return it.

    :raises ConfigurationError: it is invalid; the text names it.
    """
    try:
        return queue_name(name)
    except ValueError as error:
        raise ConfigurationError(f"queue {name!r}: expected {error}") from None


def _written(queue: str) -> tuple[str, str]:
    """The part of a full name for a short name, and what ends the full name."""
    checked = checked_queue(queue)
    if checked == DEFAULT_QUEUE:
        return checked, ""
    suffix = ORDERED if is_ordered(checked) else ""
    return checked.removesuffix(suffix).replace("-", "--"), suffix


def database_part(database: str) -> str:
    """The part of queue names for a database.

    Two databases never share one: a name that must be changed ends in a hash.
    """
    mapped = re.sub(r"[^A-Za-z0-9_]", "_", database)
    stays = mapped == database and database != _TAKEN
    if stays and len(mapped) <= DATABASE_MAX_CHARS:
        return mapped
    digest = hashlib.sha256(database.encode()).hexdigest()[:_HASH_CHARS]
    return f"{mapped[: DATABASE_MAX_CHARS - _HASH_CHARS - 1]}_{digest}"


def _checked(name: str, setting: str) -> str:
    if len(name) > SQS_QUEUE_NAME_MAX_CHARS:
        raise ConfigurationError(
            f"queue name {name!r} has {len(name)} characters, SQS takes "
            f"{SQS_QUEUE_NAME_MAX_CHARS}: shorten the setting {setting}"
        )
    return name


def check_kind(name: str, attributes: dict[str, str]) -> None:
    """Check that a queue keeps the order exactly if its name says so.

    :param attributes: ``FifoQueue`` is among them if it does.
    :raises ConfigurationError: it is of the other kind.
    """
    keeps_order = attributes.get("FifoQueue") == "true"
    if keeps_order == is_ordered(name):
        return
    kind, other = ("a FIFO", "a standard") if keeps_order else ("a standard", "a FIFO")
    raise ConfigurationError(
        f"queue {name} is {kind} queue, and its name is that of {other} one: delete "
        "it, so that it is created anew, or give the tasks another queue"
    )
