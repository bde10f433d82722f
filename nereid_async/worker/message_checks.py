"""Checks of a message whose signature is right, but which may be a copy or too old."""

from __future__ import annotations

import time

from ..brokers.base import Delivery
from ..errors import BadMessage, MisplacedMessage
from ..messages.message import Message
from ..runtime import Runtime
from ..targets import is_private
from . import message_origin


def check(message: Message, delivery: Delivery, runtime: Runtime) -> None:
    """Check a message against the place where it was found, and its target.

    :raises ForeignMessage: it is of another database.
    :raises MisplacedMessage: it came by another queue than its own.
    :raises BadMessage: it must not run.
    """
    message_origin.check(message, delivery, runtime)
    if is_private(message.target.method):
        raise BadMessage(
            f"names {message.target.name}: what begins with an underscore is not called"
        )
    if not message.outbox:
        _check_bare(message, runtime)
    if delivery.claim is not None:
        if delivery.claim.id != message.id:
            raise BadMessage(f"stands in the row of task {delivery.claim.id}")
    elif delivery.queue != message.queue:
        raise MisplacedMessage(
            f"it came by queue {delivery.queue!r}, and is for {message.queue!r}"
        )


def _check_bare(message: Message, runtime: Runtime) -> None:
    """Check the age of a message without a row: nothing else stops an old copy."""
    if runtime.rows is not None:
        raise BadMessage(
            "was deferred with outbox = no, and this worker has rows; a worker that is "
            "set to outbox = no runs it"
        )
    longest_s = runtime.settings.bare_max_age
    age_s = time.time() - message.deferred_at_s - message.delay_s
    if age_s > longest_s:
        raise BadMessage(
            f"was due {age_s:.0f} s ago, and the setting bare_max_age is {longest_s:g}"
        )
