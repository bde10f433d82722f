"""Who is logged in: by the session alone where that tells, else by flask-login."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import request, session
from flask_login import COOKIE_NAME, current_user

if TYPE_CHECKING:
    from nereid import Nereid

#: Where flask-login keeps the id of the user.
USER_KEY = "_user_id"

#: Nobody, as an id.
ANONYMOUS = ""


def of_session(app: Nereid, request: Any, session: Mapping[str, Any]) -> str | None:
    """The id of the user logged in, or :data:`ANONYMOUS`, without any transaction.

    None where only flask-login can tell, in a request that Nereid dispatches: a user
    who may be remembered or logged in by a header, sessions under strong protection,
    and shops with loaders of their own, which may know that a login has ended.
    """
    manager, users = app.login_manager, _nereid_users()
    user = session.get(USER_KEY)
    if user is None:
        remembered = app.config.get("REMEMBER_COOKIE_NAME", COOKIE_NAME)
        elsewhere = (
            remembered in request.cookies
            or _names_a_user(request.headers.get("Authorization", ""))
            or not _is(manager._request_callback, users.load_user_from_request)
        )
        return None if elsewhere else ANONYMOUS
    protection = app.config.get("SESSION_PROTECTION", manager.session_protection)
    if protection == "strong" or not _is(manager.user_callback, users.load_user):
        return None
    return str(user)


def of_request(app: Nereid) -> str:
    """The id of the user logged in, or :data:`ANONYMOUS`, as flask-login sees it."""
    # It may write into the session that it looks at: not without need.
    if of_session(app, request, session) == ANONYMOUS:
        return ANONYMOUS
    return ANONYMOUS if current_user.is_anonymous else str(current_user.get_id())


def _names_a_user(authorization: str) -> bool:
    """Whether Nereid finds a name and a password in a header.

    It reads a header of any kind as Basic, and raises where that cannot be, as with
    the token of a proxy or of an API of the shop's own.
    """
    try:
        text = base64.b64decode(authorization.replace("Basic ", "", 1)).decode()
    except ValueError:
        return False
    return ":" in text


def _nereid_users() -> Any:
    # Importable once the pool is loaded.
    from trytond.modules.nereid_base.user import NereidUser

    return NereidUser


def _is(loader: Any, of_nereid: Any) -> bool:
    # The pool's class is one of its own, and inherits what no module has overridden.
    return getattr(loader, "__func__", None) is of_nereid.__func__
