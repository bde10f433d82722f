"""Messages for tests, and for what is measured, that are not about what is in them."""

from __future__ import annotations

import uuid
from typing import Any

from nereid_async.messages.message import Message, Target
from nereid_async.messages.signing import Signer


def message(queue: str = "q", **fields: Any) -> Message:
    """One deferred call with an id of its own.

    :param fields: what is not as usual; see ``Message``.
    """
    usual: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "database": "",
        "target": Target("model", "async_test.record", "echo"),
        "args": [],
        "kwargs": {},
        "user": 1,
        "context": {},
        "deferred_at_s": 0,
    }
    return Message(queue=queue, **usual | fields)


def signer_of(database: str) -> Signer:
    """Signs, and reads, what passes for messages of this process."""
    from nereid_async.runtime import of_database

    return Signer(of_database(database).settings.signing_key, "message")
