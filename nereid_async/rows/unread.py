"""Statements on the rows of messages that this worker cannot decode.

Such a message is not verified, nor is the id in it. The id finds the row, and the whole
text must equal the row's message.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ..database import connections
from ..messages.outcome import Outcome, State
from ..messages.serialization import dumps
from .statements import Statements


@dataclass(frozen=True)
class UnreadMessage:
    """A message that cannot be decoded here, and may have a row.

    :ivar id: the task's id in the message, unverified.
    :ivar text: the whole message.
    """

    id: str
    text: str


class UnreadRows(Statements):
    """Reads the state of the task of an undecodable message, and fails it."""

    def state_of_unread(self, message: UnreadMessage) -> State | None:
        """The state of the task; None if no row has exactly this message."""
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "SELECT state FROM async_task WHERE uuid = {p} AND message = {p}",
                [message.id, message.text],
            )
            row = cursor.fetchone()
        return None if row is None else State(row[0])

    def unread_for_s(self, message: UnreadMessage) -> float | None:
        """Note that this worker cannot decode the message.

        :returns: for how many seconds no worker could; None if it is not the message of
            a waiting row.
        """
        seconds = self._seconds_between("unknown_since", "{now}")
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "INSERT INTO async_run (uuid, token, create_date, attempt, "
                "unknown_since) SELECT uuid, '', {now}, 0, {now} FROM async_task "
                "WHERE uuid = {p} AND message = {p} AND state IN ('pending', 'sent') "
                "ON CONFLICT (uuid) DO UPDATE SET unknown_since = "
                "COALESCE(async_run.unknown_since, excluded.unknown_since) "
                f"RETURNING {seconds}",
                [message.id, message.text],
            )
            row = cursor.fetchone()
        return None if row is None else float(row[0])

    def fail_unread(
        self, message: UnreadMessage, outcome: Outcome, ttl_s: float
    ) -> str | None:
        """Fail a waiting task.

        :param ttl_s: how long the failure stays readable, in seconds.
        :returns: the token of its failure; None if no waiting row has this message.
        """
        assert outcome.failure is not None
        token = secrets.token_hex(16)
        with connections.autocommit(self.database) as cursor:
            self.execute(
                cursor,
                "UPDATE async_task SET state = 'failed', token = {p}, error = {p}, "
                "finished_at = {now}, expires_at = {later} WHERE uuid = {p} "
                "AND message = {p} AND state IN ('pending', 'sent') RETURNING uuid",
                [
                    token,
                    dumps(outcome.failure.as_json()),
                    ttl_s,
                    message.id,
                    message.text,
                ],
            )
            return token if cursor.fetchone() is not None else None
