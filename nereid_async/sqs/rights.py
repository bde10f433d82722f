"""Tries the rights of a worker on its queues, without sending or taking a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from ..errors import (
    AccessDenied,
    ConfigurationError,
    CredentialsRefused,
    QueueMissing,
    TransportError,
)
from ..settings import Settings
from .client import Sqs
from .queue_names import QueueNames, check_kind

OK, WARNING, ERROR = "ok", "warning", "error"

#: How it stands, and a sentence.
Finding: TypeAlias = "tuple[str, str]"

_TIMEOUT_S = 5.0
_SEND: tuple[str, str, dict[str, Any]] = (
    "SendMessage",
    "send_message_batch",
    {"Entries": []},
)
#: Calls that change nothing: SQS refuses those with no entries, or with no message. A
#: receive counts as one of a message that is there, which stays visible.
_CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "GetQueueAttributes",
        "get_queue_attributes",
        {"AttributeNames": ["ApproximateNumberOfMessages"]},
    ),
    ("ListQueueTags", "list_queue_tags", {}),
    _SEND,
    (
        "ReceiveMessage",
        "receive_message",
        {"MaxNumberOfMessages": 1, "VisibilityTimeout": 0, "WaitTimeSeconds": 0},
    ),
    (
        "ChangeMessageVisibility",
        "change_message_visibility",
        {"ReceiptHandle": "none", "VisibilityTimeout": 0},
    ),
    ("DeleteMessage", "delete_message", {"ReceiptHandle": "none"}),
)
#: Outside of the range of the attribute: no queue is made.
_NO_QUEUE = {"VisibilityTimeout": "-1"}
#: No task has this id.
_NO_ID = "0" * 8 + "-0000-4000-8000-" + "0" * 12


class Rights:
    """Tries rights on the queues of a database.

    Its methods raise CredentialsRefused if there are no credentials, or SQS refuses
    them; TransportUnavailable if SQS cannot be reached; ConfigurationError if no region
    is set.
    """

    def __init__(self, database: str, settings: Settings) -> None:
        self._settings = settings
        self._sqs = Sqs(settings, _TIMEOUT_S, attempts=1)
        self._names = QueueNames(database, settings)
        self._creates = settings.sqs_create_queues and not settings.sqs_queue_owner

    def of_worker(self, queue: str) -> Iterator[Finding]:
        """What a worker may do on a queue, and what it lacks.

        :param queue: its short name.
        """
        name = self._names.task(queue)
        found = [*self._on(name, _CALLS), *self._on_dead(self._names.dead(queue))]
        yield from found
        if not any(status == ERROR for status, _ in found):
            yield OK, f"sqs: a worker may work on queue {queue} ({name})"

    def of_replies(self) -> Iterator[Finding]:
        """Whether a worker may make reply queues."""
        problem = self._creation_problem(self._names.reply(_NO_ID))
        if problem is not None:
            yield (
                WARNING,
                f"the right sqs:CreateQueue on reply queues ({self._names.reply('*')}) "
                "is missing: whoever asks reads the row. Set results = database, or "
                f"allow it (docs/reference/iam/worker.json): {problem}",
            )

    def _on_dead(self, name: str) -> Iterator[Finding]:
        for status, text in self._on(name, (_SEND,)):
            if status != OK:
                yield (
                    WARNING,
                    f"dead letters: {text}. What no worker can read is kept in its "
                    "queue, and tried again",
                )

    def _on(
        self, name: str, calls: tuple[tuple[str, str, dict[str, Any]], ...]
    ) -> Iterator[Finding]:
        try:
            url = self._sqs.url(name, self._settings.sqs_queue_owner)
        except QueueMissing:
            yield self._missing(name)
            return
        except CredentialsRefused:
            raise
        except AccessDenied as error:
            yield (
                ERROR,
                f"the right sqs:GetQueueUrl on queue {name} is missing: {error}",
            )
            return
        for right, operation, parameters in calls:
            problem = self._problem(operation, QueueUrl=url, **parameters)
            if problem is not None:
                yield (
                    ERROR,
                    f"the right sqs:{right} on queue {name} is missing: {problem}",
                )
        yield from self._of_kind(name, url)

    def _of_kind(self, name: str, url: str) -> Iterator[Finding]:
        """That a queue is of another kind than its name says, if that is so."""
        try:
            answer = self._sqs.call(
                "get_queue_attributes", QueueUrl=url, AttributeNames=["FifoQueue"]
            )
            check_kind(name, answer.get("Attributes", {}))
        except CredentialsRefused:
            raise
        except AccessDenied:
            # A worker needs no such right on a dead-letter queue.
            return
        except ConfigurationError as error:
            yield ERROR, str(error)

    def _missing(self, name: str) -> Finding:
        if not self._creates:
            return (
                ERROR,
                f"queue {name} does not exist, and is not to be created: create it, or "
                "correct its name",
            )
        problem = self._creation_problem(name)
        if problem is None:
            return OK, f"queue {name} does not exist yet, and may be created"
        return (
            ERROR,
            f"queue {name} does not exist, and the right sqs:CreateQueue on it is "
            "missing: create it, or allow that (docs/reference/iam/create.json): "
            f"{problem}",
        )

    def _creation_problem(self, name: str) -> AccessDenied | None:
        return self._problem("create_queue", QueueName=name, Attributes=_NO_QUEUE)

    def _problem(self, operation: str, **parameters: Any) -> AccessDenied | None:
        """The refusal of a call that is harmless; None if it is allowed."""
        try:
            self._sqs.call(operation, **parameters)
        except CredentialsRefused:
            raise
        except AccessDenied as error:
            return error
        except TransportError as error:
            # Refused for what is in it: so it was allowed.
            if error.passes:
                raise
        return None
