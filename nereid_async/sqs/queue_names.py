"""Names of SQS queues: at most 80 characters out of ``A-Za-z0-9-_``.

No two queues have the same name, whatever the prefixes, databases and short names: a
name can be read from its end in one way only. A short name has no single hyphen (they
are doubled), and none at its ends; a database's name has none; a prefix is the rest.
"""

from __future__ import annotations

import hashlib
import re

from ..errors import ConfigurationError
from ..limits import SQS_QUEUE_NAME_MAX_CHARS
from ..messages.task_ids import ID_PATTERN
from ..settings import DEFAULT_QUEUE, Settings, queue_name

#: A uuid has 36 characters; with ``-reply-`` this leaves 13 for a prefix.
DATABASE_MAX_CHARS = 24
_HASH_CHARS = 8
#: The default queue keeps its hyphen, so no database may look like its first half.
_TAKEN = DEFAULT_QUEUE.partition("-")[0]


class QueueNames:
    """The names of one database's queues.

    :raises ConfigurationError: prefix or queue are too long for SQS.
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
        """The queue that carries the tasks of this short name."""
        return _checked(f"{self._base}-{_written(queue)}", "queue")

    def dead(self, queue: str) -> str:
        """Where messages go that no worker can use."""
        return _checked(f"{self._base}-{_written(queue)}-dead", "queue")

    def reply(self, task_id: str) -> str:
        """Where the reply of one task waits."""
        return f"{self._base}-reply-{task_id}"

    @property
    def reply_prefix(self) -> str:
        """What every reply queue's name begins with."""
        return f"{self._base}-reply-"

    def task_id_of_reply(self, name: str) -> str | None:
        """The uuid in a reply queue's name; None for any other queue."""
        match = self._reply_pattern.fullmatch(name)
        return match and match[1]


def checked_queue(name: str) -> str:
    """The short name of a queue, if it is one.

    :raises ConfigurationError: naming it.
    """
    try:
        return queue_name(name)
    except ValueError as error:
        raise ConfigurationError(f"queue {name!r}: expected {error}") from None


def _written(queue: str) -> str:
    checked = checked_queue(queue)
    return checked if checked == DEFAULT_QUEUE else checked.replace("-", "--")


def database_part(database: str) -> str:
    """The database's name as queue names have it.

    Two databases never share one: what had to be changed ends in a hash.
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
