"""Who asks for a result, as far as results are concerned.

The owner of a task is a random secret in a cookie of the visitor's, together with the
user logged in when the task was deferred. Neither rows nor messages hold either.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..messages.task_ids import Owner
from .login import ANONYMOUS


def owner(secret: str, user: str, website: int) -> Owner:
    """Who asks, as owner of a task deferred now."""
    return Owner("owner", website, secret, user)


def owners(secrets: Iterable[str], user: str, website: int) -> list[Owner]:
    """All that who asks may read.

    What was asked for before the login stays readable after it; what a user asked
    for is readable by that user only, in that browser.
    """
    # A task deferred outside a request knows no website.
    readable = [Owner("shared", website), Owner("shared", None)]
    for secret in secrets:
        readable.append(owner(secret, ANONYMOUS, website))
        if user != ANONYMOUS:
            readable.append(owner(secret, user, website))
    return readable
