"""Owners of tasks, from cookies and logins.

The owner of a task is the random secret in a cookie of the browser, together with the
user who was logged in when the task was deferred. Rows and messages contain neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..messages.task_ids import Owner
from .visitor import ANONYMOUS, Visitor


def owner(secret: str, visitor: Visitor) -> Owner:
    """The owner of a task that is deferred now.

    :param secret: secret of the owner cookie in use.
    """
    return Owner("owner", visitor.website, secret, visitor.user)


def owners(secrets: Iterable[str], visitor: Visitor) -> list[Owner]:
    """All owners that a request may read as.

    Tasks deferred before a login stay readable after it; those that a user deferred are
    readable by that user only, in that browser.

    :param secrets: secrets of all owner cookies of the request.
    """
    # Shared tasks that were deferred outside a request have no website.
    readable = [Owner("shared", visitor.website), Owner("shared", None)]
    for secret in secrets:
        readable.append(owner(secret, Visitor(ANONYMOUS, visitor.website)))
        if visitor.user != ANONYMOUS:
            readable.append(owner(secret, visitor))
    return readable
