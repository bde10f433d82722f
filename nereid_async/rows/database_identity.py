"""The identity of a database, which tells it from its copy of the same name."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..errors import DatabaseUnavailable, MessageError
from ..messages.message_codec import MessageCodec
from .identity import IdentityRows, Renewal

logger = logging.getLogger(__name__)

#: Name of the tag of a queue that has the identity of the database that made it.
IDENTITY_TAG = "nereid_async.database"


class DatabaseIdentity:
    """The identity of one database, read once per process. Thread-safe.

    :ivar database: name of the database.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        self._rows = IdentityRows(database)
        self._read = False
        self._value: str | None = None

    @property
    def value(self) -> str | None:
        """A uuid; None if it cannot be read now, or the database has none.

        A message without an identity runs as well, so nothing fails here.
        """
        if not self._read:
            try:
                self._value = self._rows.identity()
                self._read = True
            except DatabaseUnavailable as error:
                logger.warning("the database's identity is not read: %s", error)
        return self._value

    def renew(self, codec: MessageCodec, *, drop_waiting: bool) -> Renewal:
        """Give the database a new identity, since it is a copy.

        :param codec: decodes the messages in rows and signs them again.
        :param drop_waiting: whether to delete the tasks that have not run.
        :raises DatabaseUnavailable: the database is unreachable.
        """

        def change(text: str, identity: str) -> str | None:
            try:
                message = codec.decode(text)
                own = replace(message, database=self.database, identity=identity)
                return codec.encode(own)
            except MessageError:
                return None

        renewal = self._rows.renew_identity(change, drop_waiting=drop_waiting)
        self._read = False
        return renewal


def identity_tags(identity: DatabaseIdentity | None) -> dict[str, str]:
    """The tags of a queue that a database creates."""
    value = None if identity is None else identity.value
    return {} if value is None else {IDENTITY_TAG: value}
