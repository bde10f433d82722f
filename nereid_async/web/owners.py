"""Owners of tasks, from cookies and logins.

The owner of a task is the random secret in a cookie of the browser, together with the
user who was logged in when the task was deferred. Rows and messages contain neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..messages.task_ids import Owner
from .login import ANONYMOUS


def owner(secret: str, user: str, website: int) -> Owner:
    """The owner of a task that is deferred now.

    :param secret: secret of the owner cookie in use.
    :param user: id of the user logged in, or :data:`.login.ANONYMOUS`.
    :param website: id of the website.
    """
    return Owner("owner", website, secret, user)


def owners(secrets: Iterable[str], user: str, website: int) -> list[Owner]:
    """All owners that a request may read as.

    Tasks deferred before a login stay readable after it; those that a user deferred are
    readable by that user only, in that browser.

    :param secrets: secrets of all owner cookies of the request.
    """
    # Shared tasks that were deferred outside a request have no website.
    readable = [Owner("shared", website), Owner("shared", None)]
    for secret in secrets:
        readable.append(owner(secret, ANONYMOUS, website))
        if user != ANONYMOUS:
            readable.append(owner(secret, user, website))
    return readable
