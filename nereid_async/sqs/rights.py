"""Tries the rights of a worker on its queues, without sending or taking a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import AccessDenied, CredentialsRefused, QueueMissing, TransportError
from ..settings import Settings
from .client import Sqs
from .queue_names import QueueNames

_TIMEOUT_S = 5.0
#: Calls that change nothing: SQS refuses those with no entries, or with no message. A
#: receive counts as one of a message that is there, which stays visible.
_CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "GetQueueAttributes",
        "get_queue_attributes",
        {"AttributeNames": ["ApproximateNumberOfMessages"]},
    ),
    ("ListQueueTags", "list_queue_tags", {}),
    ("SendMessage", "send_message_batch", {"Entries": []}),
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


def problems(database: str, settings: Settings, queue: str) -> Iterator[str]:
    """What a worker lacks to work on a queue; nothing if it lacks nothing.

    :param queue: its short name.
    :raises CredentialsRefused: there are no credentials, or SQS refuses them.
    :raises TransportUnavailable: SQS cannot be reached.
    :raises ConfigurationError: no region is set.
    """
    sqs = Sqs(settings, _TIMEOUT_S, attempts=1)
    creates = settings.sqs_create_queues and not settings.sqs_queue_owner
    name = QueueNames(database, settings).task(queue)
    try:
        url = sqs.url(name, settings.sqs_queue_owner)
    except QueueMissing:
        if not creates:
            yield f"queue {name} does not exist, and is not to be created: create it"
        return
    except CredentialsRefused:
        raise
    except AccessDenied as error:
        yield f"the right sqs:GetQueueUrl on queue {name} is missing: {error}"
        return
    for right, operation, parameters in _CALLS:
        try:
            sqs.call(operation, QueueUrl=url, **parameters)
        except CredentialsRefused:
            raise
        except AccessDenied as error:
            yield f"the right sqs:{right} on queue {name} is missing: {error}"
        except TransportError as error:
            # Refused for what is in it: so it was allowed.
            if error.passes:
                raise
