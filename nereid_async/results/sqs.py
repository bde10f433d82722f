"""The result store `sqs`: one reply queue per task, named by its uuid."""

from __future__ import annotations

import logging
import time

from ..errors import (
    BadMessage,
    MessageError,
    QueueMissing,
    TransportError,
    TransportUnavailable,
)
from ..limits import (
    SQS_BATCH_MAX_ENTRIES,
    SQS_MESSAGE_MAX_BYTES,
    SQS_RETENTION_MAX_S,
    SQS_RETENTION_MIN_S,
)
from ..messages.outcome import Outcome, State, Status
from ..messages.outcome_codec import OutcomeCodec
from ..messages.serialization import dumps, loads
from ..messages.signing import Signer
from ..rows import TaskRows
from ..rows.database_identity import DatabaseIdentity, identity_tags
from ..settings import Settings
from ..sqs.client import Sqs
from ..sqs.queue_names import QueueNames
from ..throttled_log import ThrottledLog

logger = logging.getLogger(__name__)
_throttled = ThrottledLog(logger)

#: A new queue takes a second to appear (CreateQueue in Amazon's API reference): how
#: long sending to it is tried.
_NEW_QUEUE_TIMEOUT_S = 10.0
_NEW_QUEUE_PAUSE_S = 0.2
#: A receive without waiting asks only some of SQS's servers and may miss the reply.
_RECEIVE_WAIT_S = 1


class SqsResults:
    """Keeps replies in queues, states in rows. Thread-safe; survives a fork.

    :param rows: the row protocol. None without an outbox: then there is no progress,
        and an acknowledged result looks like a pending task.
    :param outcomes: encodes outcomes; None for no encryption.
    :param identity: identity that new queues are tagged with; None for no tags.
    """

    needs_acknowledgement = True

    def __init__(
        self,
        database: str,
        settings: Settings,
        rows: TaskRows | None,
        outcomes: OutcomeCodec | None = None,
        identity: DatabaseIdentity | None = None,
    ) -> None:
        self._outcomes = outcomes or OutcomeCodec()
        self._names = QueueNames(database, settings)
        self._rows = rows
        self._identity = identity
        self._signer = Signer(settings.signing_key, "reply")
        self._sqs = Sqs(settings, settings.send_timeout + _RECEIVE_WAIT_S, attempts=3)
        self._ttl_s = settings.result_ttl
        retention_s = min(
            max(settings.result_ttl, SQS_RETENTION_MIN_S), SQS_RETENTION_MAX_S
        )
        self._attributes = {"MessageRetentionPeriod": str(int(retention_s))}

    def put(self, task_id: str, outcome: Outcome) -> None:
        """Create the reply queue and send the reply to it.

        A reply that is too large for SQS is not sent: the row has it.
        """
        kept = self._outcomes.to_json(task_id, outcome)
        body = self._signer.sign(dumps({"id": task_id, "outcome": kept}))
        if len(body) > SQS_MESSAGE_MAX_BYTES and self._rows is not None:
            return
        url = self._sqs.create(
            self._names.reply(task_id), self._attributes, identity_tags(self._identity)
        )
        deadline = time.monotonic() + _NEW_QUEUE_TIMEOUT_S
        while True:
            try:
                self._sqs.call("send_message", QueueUrl=url, MessageBody=body)
                break
            except QueueMissing as error:
                if time.monotonic() > deadline:
                    raise TransportUnavailable(
                        f"reply queue of task {task_id} does not appear: {error}"
                    ) from error
                time.sleep(_NEW_QUEUE_PAUSE_S)
        # The queue is used once: its URL need not be cached.
        self._sqs.forget_url(self._names.reply(task_id))

    def look(self, task_id: str) -> Status | None:
        """Read the row, then the reply, which stays in its queue."""
        if self._rows is None:
            return self._look_at_queue(task_id)
        status = self._rows.status(task_id)
        if status is None or status.outcome is None or status.of_batch:
            return status
        if status.outcome.failure is not None or status.outcome.value is None:
            return status
        reply = self._look_at_queue(task_id)
        # The row has the value, too, so that an answer stays done once it was. The row
        # decides: a reply with another state is of an earlier run.
        return reply if reply.state is status.state else status

    def _look_at_queue(self, task_id: str) -> Status:
        name = self._names.reply(task_id)
        try:
            answer = self._sqs.call(
                "receive_message",
                QueueUrl=self._sqs.url(name),
                MaxNumberOfMessages=1,
                WaitTimeSeconds=_RECEIVE_WAIT_S,
                VisibilityTimeout=0,
            )
        except QueueMissing:
            return Status(State.PENDING)
        finally:
            self._sqs.forget_url(name)
        for message in answer.get("Messages", []):
            outcome = self._read(task_id, message["Body"])
            if outcome is not None:
                return Status(outcome.state, outcome=outcome)
        return Status(State.RUNNING)

    def _read(self, task_id: str, body: str) -> Outcome | None:
        try:
            reply = loads(self._signer.unsign(body))
        except BadMessage as error:
            logger.error("reply of task %s is none of ours: %s", task_id, error)
            return None
        if reply["id"] != task_id:
            logger.error("reply queue of task %s holds another one's reply", task_id)
            return None
        try:
            return self._outcomes.from_json(task_id, reply["outcome"])
        except MessageError as error:
            _throttled.error("outcome", "reply of task %s: %s", task_id, error)
            return None

    def reap(self) -> int:
        """Delete expired reply queues, found by their prefix; return their number.

        Only queues whose names match the whole pattern of reply queues are touched.
        """
        reaped = 0
        for url in self._sqs.queue_urls(self._names.reply_prefix):
            name = url.rpartition("/")[2]
            if self._names.task_id_of_reply(name) is None:
                continue
            try:
                if self._is_old(url):
                    self._sqs.call("delete_queue", QueueUrl=url)
                    reaped += 1
            except QueueMissing:
                continue
            except TransportError as error:
                if error.of_service:
                    raise
                # A refusal of one queue must not keep the others from being deleted.
                kind = "reap", type(error)
                _throttled.warning(kind, "reply queue %s stays: %s", name, error)
        return reaped

    def _is_old(self, url: str) -> bool:
        answer = self._sqs.call(
            "get_queue_attributes", QueueUrl=url, AttributeNames=["CreatedTimestamp"]
        )
        created_s = float(answer.get("Attributes", {}).get("CreatedTimestamp", "inf"))
        return time.time() - created_s > self._ttl_s

    def withdraw(self, task_id: str) -> None:
        """Empty the reply queue. (SQS blocks the name of a deleted queue for 60 s.)"""
        name = self._names.reply(task_id)
        wait_s = _RECEIVE_WAIT_S
        try:
            while entries := self._receive_to_delete(name, wait_s):
                self._sqs.call(
                    "delete_message_batch",
                    QueueUrl=self._sqs.url(name),
                    Entries=entries,
                )
                # One reply was worth a wait; more are not expected.
                wait_s = 0
        except QueueMissing:
            pass
        finally:
            self._sqs.forget_url(name)

    def _receive_to_delete(self, name: str, wait_s: int) -> list[dict[str, str]]:
        answer = self._sqs.call(
            "receive_message",
            QueueUrl=self._sqs.url(name),
            MaxNumberOfMessages=SQS_BATCH_MAX_ENTRIES,
            WaitTimeSeconds=wait_s,
        )
        return [
            {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]}
            for i, message in enumerate(answer.get("Messages", []))
        ]

    def delete(self, task_id: str) -> None:
        """Delete the reply queue, which costs money, since the owner has the result."""
        name = self._names.reply(task_id)
        try:
            self._sqs.call("delete_queue", QueueUrl=self._sqs.url(name))
        except QueueMissing:
            pass
        finally:
            self._sqs.forget_url(name)
        if self._rows is not None:
            self._rows.acknowledge(task_id)
