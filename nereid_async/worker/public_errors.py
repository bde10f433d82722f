"""Tells what the owner of a failed task may read: the error's text, or a sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from trytond.exceptions import UserError, UserWarning
from trytond.i18n import gettext

from ..database import connection_pool
from ..messages.message import Message
from ..messages.outcome import Failure
from ..runtime import Runtime

logger = logging.getLogger(__name__)

#: Tryton's exceptions whose texts are written for users.
_OF_TRYTON: tuple[type[BaseException], ...] = (UserError, UserWarning)
#: Key of the sentence that hides the text of an error; it has an ``error``.
SENTENCE = "async_sqs.msg_task_failed"


def is_public(
    error: BaseException, classes: Iterable[type[BaseException]], names: Sequence[str]
) -> bool:
    """Whether the owner of the task may read the text of an exception.

    :param classes: public exception classes that the task has declared.
    :param names: public exception classes of the setting, as ``module.Class``.
    """
    if isinstance(error, (*_OF_TRYTON, *classes)):
        return True
    full = {f"{it.__module__}.{it.__qualname__}" for it in type(error).__mro__}
    short = {name.removeprefix("builtins.") for name in full}
    return not full.union(short).isdisjoint(names)


def is_for_users(error: BaseException) -> bool:
    """Whether an exception tells a user what to mend, and no developer."""
    return isinstance(error, _OF_TRYTON)


def with_sentence(
    failure: Failure, message: Message | None, runtime: Runtime
) -> Failure:
    """Add a sentence in the caller's language to a failure that is not public.

    :param message: the task's message; None if it could not be decoded.
    """
    if failure.public:
        return failure
    context = {} if message is None else {"language": language_of(message)}
    try:
        with connection_pool.start_transaction(
            runtime.database, 0, readonly=True, context=context
        ):
            sentence = gettext(SENTENCE, error=failure.id)
    except Exception as error:
        # The failure must be told even if its translation fails.
        logger.info("the sentence of error %s is in English: %s", failure.id, error)
        return failure
    # The key itself comes from a database whose module is not active or not updated.
    return failure if sentence == SENTENCE else replace(failure, sentence=sentence)


def language_of(message: Message) -> str | None:
    """The language in which a task was deferred."""
    if message.web is not None:
        return message.web.language
    language = message.context.get("language")
    return language if isinstance(language, str) else None
