"""The broker `sqs`: Amazon SQS carries the messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import AccessDenied, ConfigurationError, CredentialsRefused, QueueMissing
from ..limits import SQS_DELAY_MAX_S
from ..queue_selection import ALL_QUEUES, selected
from ..rows import Starts, TaskRows
from ..rows.database_identity import DatabaseIdentity
from ..settings import Settings
from ..sqs.client import Sqs
from ..sqs.queue_names import QueueNames
from ..sqs.task_queues import TaskQueues
from .base import OutgoingMessage, SendReport
from .paused_queues import PausedQueues
from .sqs_consumer import SqsConsumer
from .sqs_dead_letters import SqsDeadLetters
from .sqs_receiver import RECEIVE_TIMEOUT_S
from .sqs_sender import SqsSender


class SqsBroker:
    """Sends to SQS in batches. Thread-safe; survives a fork.

    :param database: name of the database, part of the queues' names.
    :param identity: identity that new queues are tagged with; None for no tags.
    :param rows: has the pauses of queues; None without an outbox.
    """

    max_delay_s: float | None = SQS_DELAY_MAX_S
    rows_are_messages = False

    def __init__(
        self,
        database: str,
        settings: Settings,
        identity: DatabaseIdentity | None = None,
        rows: TaskRows | None = None,
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._identity = identity
        self._names = QueueNames(database, settings)
        # One attempt with a short timeout, since a request waits for it, and the relay
        # sends the row later. Without rows, up to three attempts.
        sqs = Sqs(settings, settings.send_timeout, 1 if settings.outbox else 3)
        self._queues = self._task_queues(sqs)
        self._sender = SqsSender(self._queues, insists=not settings.outbox)
        self._receiving = Sqs(settings, RECEIVE_TIMEOUT_S, attempts=3)

    def check_queue(self, queue: str) -> None:
        """Check the length of the full name; see :class:`.base.Broker`."""
        self._names.dead(queue)

    def send(
        self, messages: Sequence[OutgoingMessage], until_s: float = float("inf")
    ) -> SendReport:
        """Send in as few calls as SQS allows; see :class:`.base.Broker`."""
        return self._sender.send(messages, until_s)

    def dead_letters(self) -> SqsDeadLetters:
        """Those on SQS; see :class:`.base.Broker`."""
        # With a client of its own: each call waits a second for letters.
        sqs = Sqs(self._settings, RECEIVE_TIMEOUT_S, attempts=2)
        return SqsDeadLetters(self._task_queues(sqs))

    def backlog(self, queue: str) -> int:
        """Number of visible messages; see :class:`.base.Broker`."""
        return self._queues.backlog(queue)

    def consumer(
        self,
        queues: Sequence[str],
        excluded: Collection[str] = (),
        starts: Starts | None = None,
    ) -> SqsConsumer:
        """Make a consumer, which creates missing queues; see :class:`.base.Broker`."""
        task_queues = self._task_queues(self._receiving)
        paused = PausedQueues(self._rows)
        return SqsConsumer(task_queues, self._settings, queues, excluded, paused)

    def existing(self, queues: Sequence[str], excluded: Collection[str]) -> list[str]:
        """Ask SQS, if ``*`` is one of them; see :class:`.base.Broker`."""
        if ALL_QUEUES not in queues:
            return list(queues)
        # With a client of its own, as in :meth:`warnings`.
        sqs = Sqs(self._settings, self._settings.send_timeout, attempts=1)
        try:
            found = self._task_queues(sqs).found()
        except CredentialsRefused:
            raise
        except AccessDenied as error:
            raise ConfigurationError(str(error)) from error
        return selected(queues, [it for it in found if it not in excluded])

    def prepare(self, queues: Sequence[str]) -> None:
        """Find the queues with the client that consumers share after the fork."""
        task_queues = self._task_queues(self._receiving)
        for queue in queues:
            try:
                task_queues.find_or_make(queue)
            except CredentialsRefused:
                continue
            except (QueueMissing, AccessDenied) as error:
                # Otherwise the consumers log it, until it is mended.
                if self._settings.sqs_queue_owner:
                    raise ConfigurationError(str(error)) from error
        self._receiving.close()

    def warnings(self, queues: Sequence[str]) -> list[str]:
        """Texts about redrive policies that would dead-letter messages too early.

        :raises ConfigurationError: a queue belongs to another database.
        """
        # With a client of its own: a used one cannot be shared after a fork.
        sqs = Sqs(self._settings, self._settings.send_timeout, attempts=1)
        asked = self._task_queues(sqs)
        for queue in queues:
            asked.check_owner(queue)
        return [text for queue in queues for text in asked.warnings(queue)]

    def _task_queues(self, sqs: Sqs) -> TaskQueues:
        return TaskQueues(self._names, self._settings, sqs, self._identity)
