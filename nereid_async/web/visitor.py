"""Who a session belongs to, as far as results are concerned.

The owner of a task is a random secret kept in the visitor's session, together with
the user logged in when the task was deferred. Neither rows nor messages hold either.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, MutableMapping
from typing import Any

from ..identity import Audience

SECRET_KEY = "nereid_async.owner"
#: Where flask-login keeps the id of the user.
USER_KEY = "_user_id"

_SECRET_BYTES = 16


def owner(session: MutableMapping[str, Any], website: int | None) -> Audience:
    """The visitor as owner of a task deferred now.

    Writes the secret at the first call: that saves the session and sets its cookie.
    """
    secret = session.get(SECRET_KEY)
    if not isinstance(secret, str):
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        session[SECRET_KEY] = secret
    return Audience("owner", website, secret, _user(session))


def audiences(session: Mapping[str, Any], website: int | None) -> list[Audience]:
    """All that the visitor may read.

    What was asked for before the login stays readable after it; what a user asked
    for is readable by that user only, in that session.
    """
    # A task deferred outside a request knows no website.
    readable = [Audience("shared", website), Audience("shared", None)]
    secret = session.get(SECRET_KEY)
    if isinstance(secret, str):
        readable.append(Audience("owner", website, secret, ""))
        user = _user(session)
        if user:
            readable.append(Audience("owner", website, secret, user))
    return readable


def _user(session: Mapping[str, Any]) -> str:
    user = session.get(USER_KEY)
    return "" if user is None else str(user)
