"""Checks of a message whose signature is right, but which may be a copy or too old."""

from __future__ import annotations

import time

from ..brokers.base import Delivery
from ..errors import BadMessage, MisplacedMessage
from ..messages.message import Message
from ..messages.pointer import Pointer
from ..rows import Claim
from ..runtime import Runtime
from ..targets import is_private
from . import message_origin


def check_sent(pointer: Pointer, delivery: Delivery, runtime: Runtime) -> None:
    """Check a message against the queue by which it came.

    :raises ForeignMessage: it is of another database.
    :raises MisplacedMessage: it came by another queue than its own.
    """
    message_origin.check(pointer, runtime)
    if delivery.queue != pointer.queue:
        raise MisplacedMessage(
            f"it came by queue {delivery.queue!r}, and is for {pointer.queue!r}"
        )


def check_claimed(message: Message, claim: Claim, runtime: Runtime) -> None:
    """Check a call against the claimed row in which it stands, and its target.

    :raises BadMessage: it must not run.
    """
    if message.database != runtime.database:
        raise BadMessage(f"is for database {message.database!r}")
    if message.id != claim.id:
        raise BadMessage(f"stands in the row of task {claim.id}")
    if not message.outbox:
        raise BadMessage("was deferred with outbox = no, and stands in a row")
    _check_target(message)


def check_bare(message: Message, runtime: Runtime) -> None:
    """Check a call without a row, its age included: nothing else stops an old copy.

    :raises BadMessage: it must not run.
    """
    _check_target(message)
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


def _check_target(message: Message) -> None:
    if is_private(message.target.method):
        raise BadMessage(
            f"names {message.target.name}: what begins with an underscore is not called"
        )
