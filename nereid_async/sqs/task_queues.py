"""The task queues on Amazon SQS; missing ones are created with a dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import (
    AccessDenied,
    ConfigurationError,
    CredentialsRefused,
    QueueMissing,
    RequestRefused,
)
from ..limits import SQS_RECEIVES_MAX, SQS_RETENTION_MAX_S
from ..queue_selection import is_ordered
from ..rows.database_identity import IDENTITY_TAG, DatabaseIdentity, identity_tags
from ..settings import Settings
from .client import Sqs
from .queue_names import QueueNames, check_kind

#: As long as SQS allows. Rows are kept longer, so no message outlives its row.
_KEPT = {"MessageRetentionPeriod": str(SQS_RETENTION_MAX_S)}
#: Of ordered queues. Each group has a throughput of its own.
_ORDERED = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}
#: Releases and deploys raise a message's receive count, too: a redrive policy with a
#: lower maxReceiveCount would dead-letter messages that have not failed.
_RECEIVES_AT_LEAST = 100
_REMEDY = (
    "create it, or correct its name: --queue of the worker, or the task's queue, such "
    "as configure(queue=…)"
)


class TaskQueues:
    """Makes calls on the queues of one database. Thread-safe.

    Queues of another account are never created: AWS would create them in our own.

    :param identity: identity that new queues are tagged with; None for no tags.
    """

    def __init__(
        self,
        names: QueueNames,
        settings: Settings,
        sqs: Sqs,
        identity: DatabaseIdentity | None = None,
    ) -> None:
        self._names = names
        self._identity = identity
        self._owner = settings.sqs_queue_owner
        self._creates = settings.sqs_create_queues and not self._owner
        self._sqs = sqs

    def find_or_make(self, queue: str) -> None:
        """Find or create the queue with a short name, before a call needs it.

        In another account, also find its dead-letter queue.

        :raises QueueMissing: it does not exist, and is not to be created.
        :raises TransportError: as :meth:`.client.Sqs.call`.
        """
        try:
            self._url(self._names.task(queue))
        except QueueMissing:
            if not self._creates:
                raise
            self._create(queue)
        if self._owner:
            self._url(self._names.dead(queue))

    def backlog(self, queue: str) -> int:
        """SQS's approximate number of messages that wait to be received.

        :raises TransportError: as :meth:`.client.Sqs.call`.
        """
        return self._number_of_messages(self._names.task(queue))

    def backlog_of_dead(self, queue: str) -> int:
        """As :meth:`backlog`, of its dead-letter queue."""
        return self._number_of_messages(self._names.dead(queue))

    def _number_of_messages(self, name: str) -> int:
        try:
            url = self._url(name)
            return int(self._attribute(url, "ApproximateNumberOfMessages") or 0)
        except QueueMissing:
            self._sqs.forget_url(name)
            return 0

    def found(self) -> list[str]:
        """Short names of the task queues that exist, in order.

        :raises ConfigurationError: they are those of another account.
        :raises AccessDenied: the credentials do not allow to list queues.
        :raises TransportError: as :meth:`.client.Sqs.call`.
        """
        return self._listed("--queue '*'", self._names.short_name)

    def found_dead(self) -> list[str]:
        """Short names of the queues whose dead-letter queues exist, in order.

        :raises TransportError: and other errors, as :meth:`found`.
        """
        return self._listed(
            "dead letters of all queues", self._names.short_name_of_dead
        )

    def _listed(self, what: str, pick: Callable[[str], str | None]) -> list[str]:
        """Names made of the names of queues.

        :param what: needs the list, for errors.
        :param pick: makes a name; returns None for a queue that is left out.
        """
        if self._owner:
            raise ConfigurationError(
                f"{what}: not with sqs_queue_owner, since SQS lists the queues of "
                "one's own account only. Name the queues: --queue"
            )
        try:
            names = [
                pick(url.rpartition("/")[2])
                for url in self._sqs.queue_urls(self._names.prefix)
            ]
        except CredentialsRefused:
            raise
        except AccessDenied as error:
            raise AccessDenied(
                f"{what}: needs the right sqs:ListQueues "
                f"(docs/reference/iam/all-queues.json); "
                f"or name the queues: --queue. {error}"
            ) from error
        return sorted(name for name in names if name is not None)

    def call(
        self, operation: str, queue: str, *, create: bool = True, **parameters: Any
    ) -> dict[str, Any]:
        """Make a call on the queue with a short name.

        :param create: whether the queue may be created if it is missing.
        :raises QueueMissing: it does not exist, and is not to be created.
        :raises TransportError: as :meth:`.client.Sqs.call`.
        """
        name = self._names.task(queue)
        make = (lambda: self._create(queue)) if create else None
        return self._call(operation, name, make, parameters)

    def call_dead(
        self, operation: str, queue: str, *, create: bool = True, **parameters: Any
    ) -> dict[str, Any]:
        """Make a call on a queue's dead-letter queue.

        :param create: whether it may be created if it is missing.
        :raises TransportError: as :meth:`call`.
        """
        name = self._names.dead(queue)
        make = (lambda: self._make(name, _attributes(queue))) if create else None
        return self._call(operation, name, make, parameters)

    def warnings(self, queue: str) -> list[str]:
        """Texts for the log about a redrive policy that would cause trouble.

        :raises ConfigurationError: the queue keeps no order, and its name says that it
            does, or the other way round.
        :raises TransportError: SQS could not be asked.
        """
        name = self._names.task(queue)
        try:
            found = self._attributes(self._url(name), "RedrivePolicy", "FifoQueue")
        except QueueMissing:
            return []
        except AccessDenied:
            # No other call needs this permission: a worker runs without it.
            return []
        check_kind(name, found)
        policy = found.get("RedrivePolicy")
        receives = int(
            json.loads(policy or "{}").get("maxReceiveCount", SQS_RECEIVES_MAX)
        )
        if receives >= _RECEIVES_AT_LEAST:
            return []
        return [
            f"queue {name}: its redrive policy takes a message after {receives} "
            "receives, also one that was only released; set maxReceiveCount to "
            f"{_RECEIVES_AT_LEAST} or more, the worker dead-letters messages itself"
        ]

    def check_owner(self, queue: str) -> None:
        """Check that the queue was not created by another database.

        :raises ConfigurationError: it was.
        :raises TransportError: SQS could not be asked.
        """
        name = self._names.task(queue)
        own = None if self._identity is None else self._identity.value
        if own is None or not self._creates:
            # Queues that are not created by us have no such tag.
            return
        try:
            answer = self._sqs.call("list_queue_tags", QueueUrl=self._sqs.url(name))
        except CredentialsRefused:
            raise
        except (AccessDenied, QueueMissing, RequestRefused):
            # No other call needs this permission: a worker runs without it.
            return
        owner = answer.get("Tags", {}).get(IDENTITY_TAG, own)
        if owner != own:
            raise ConfigurationError(
                f"queue {name} belongs to another database of this name: the identity "
                f"in its tag {IDENTITY_TAG} is {owner}, and that of this database is "
                f"{own}. Set another sqs_queue_prefix for one of them. If the queue is "
                "this one's, whose identity was renewed: correct the tag, or remove it"
            )

    def _call(
        self,
        operation: str,
        name: str,
        create: Callable[[], str] | None,
        parameters: dict[str, Any],
    ) -> dict[str, Any]:
        try:
            return self._sqs.call(operation, QueueUrl=self._url(name), **parameters)
        except QueueMissing as error:
            # It did not exist, or was deleted since its URL was read.
            self._sqs.forget_url(name)
            if create is None or not self._creates:
                raise self._missing(name) from error
            return self._sqs.call(operation, QueueUrl=create(), **parameters)

    def _url(self, name: str) -> str:
        try:
            return self._sqs.url(name, self._owner)
        except QueueMissing as error:
            raise self._missing(name) from error
        except CredentialsRefused:
            raise
        except AccessDenied as error:
            raise AccessDenied(f"queue {self._described(name)}: {error}") from error

    def _missing(self, name: str) -> QueueMissing:
        if not self._owner:
            return QueueMissing(
                f"queue {name} does not exist, and sqs_create_queues = no; {_REMEDY}"
            )
        return QueueMissing(
            f"queue {self._described(name)} cannot be seen: there is none, or its "
            "policy does not let these credentials use it. It is not created, since "
            f"sqs_queue_owner is set; {_REMEDY}"
        )

    def _described(self, name: str) -> str:
        return f"{name} of account {self._owner}" if self._owner else name

    def _create(self, queue: str) -> str:
        dead_url = self._make(self._names.dead(queue), _attributes(queue))
        # A safety net: the worker dead-letters messages itself.
        policy = {
            "deadLetterTargetArn": self._attribute(dead_url, "QueueArn"),
            "maxReceiveCount": SQS_RECEIVES_MAX,
        }
        attributes = {**_attributes(queue), "RedrivePolicy": json.dumps(policy)}
        return self._make(self._names.task(queue), attributes)

    def _make(self, name: str, attributes: dict[str, str]) -> str:
        try:
            return self._sqs.create(name, attributes, identity_tags(self._identity))
        except CredentialsRefused:
            raise
        except (AccessDenied, RequestRefused) as error:
            kind = AccessDenied if isinstance(error, AccessDenied) else QueueMissing
            raise kind(
                f"queue {name} does not exist and cannot be created; {_REMEDY} "
                f"({error})"
            ) from error

    def _attribute(self, url: str, attribute: str) -> str | None:
        return self._attributes(url, attribute).get(attribute)

    def _attributes(self, url: str, *attributes: str) -> dict[str, str]:
        answer = self._sqs.call(
            "get_queue_attributes", QueueUrl=url, AttributeNames=[*attributes]
        )
        values: dict[str, str] = answer.get("Attributes", {})
        return values


def _attributes(queue: str) -> dict[str, str]:
    """The attributes with which the queue of a short name is created."""
    return {**_KEPT, **(_ORDERED if is_ordered(queue) else {})}
