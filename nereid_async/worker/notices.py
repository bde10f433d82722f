"""Tells Tryton's users how a task has ended: by ``ir.error``, and by a notification."""

from __future__ import annotations

import logging

from trytond.i18n import gettext
from trytond.pool import Pool

from ..database import connection_pool
from ..messages.message import Message
from ..messages.outcome import Failure
from ..runtime import Runtime
from . import retry
from .public_errors import SENTENCE, is_for_users, language_of

logger = logging.getLogger(__name__)


def done(message: Message) -> None:
    """Notify the user of a task that asks for it, at the commit of its transaction."""
    if message.notify:
        _notify(message, "async_sqs.msg_notify_done", "")


def failed(
    message: Message, failure: Failure, error: BaseException | None, runtime: Runtime
) -> None:
    """Tell of a task that has failed for good; never raises.

    As trytond does for its own queue and its cron, errors that are for users go to
    ``ir.error``.

    :param error: what the task raised; None if its worker died.
    """
    told = error and (retry.reason_of(error) or error)
    reported = told if told and is_for_users(told) and message.outbox else None
    if reported is None and not message.notify:
        return
    try:
        with connection_pool.start_transaction(
            runtime.database, 0, context={"language": language_of(message)}
        ):
            if message.notify:
                _notify(message, "async_sqs.msg_notify_failed", _text(failure))
            if reported is not None:
                _report(message, reported)
    except Exception as problem:
        logger.warning("task %s: its failure was not told: %s", message.id, problem)


def _report(message: Message, error: BaseException) -> None:
    pool = Pool()
    for task in pool.get("async.task").search([("uuid", "=", message.id)]):
        pool.get("ir.error").report(task, error)


def _text(failure: Failure) -> str:
    if failure.public:
        return failure.message
    return str(gettext(SENTENCE, error=failure.id))


def _notify(message: Message, title: str, body: str) -> None:
    # It loads trytond's web server, which few tasks need.
    from trytond.bus import notify

    if not message.user:
        return
    try:
        text = gettext(title, task=message.target.name)
        # PostgreSQL takes 8,000 bytes.
        notify(text, body[:1_000], user=message.user)
    except Exception as error:
        logger.warning("task %s: its user was not notified: %s", message.id, error)
