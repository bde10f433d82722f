"""Finds the user logged in: from the session if that suffices, else by flask-login."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import request, session
from flask_login import COOKIE_NAME, current_user

from .visitor import ANONYMOUS

if TYPE_CHECKING:
    from nereid import Nereid

#: flask-login's session key of the user's id.
USER_KEY = "_user_id"


def of_session(app: Nereid, request: Any, session: Mapping[str, Any]) -> str | None:
    """The id of the user logged in, or :data:`ANONYMOUS`, without a transaction.

    None if only flask-login can tell, in a request that Nereid dispatches: the user may
    be remembered or logged in by a header, sessions are under strong protection, or the
    shop has loaders of its own, which may know that a login has ended.
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
    # flask-login may write into the session, so it is used only if need be.
    if of_session(app, request, session) == ANONYMOUS:
        return ANONYMOUS
    return ANONYMOUS if current_user.is_anonymous else str(current_user.get_id())


def _names_a_user(authorization: str) -> bool:
    """Whether Nereid finds a name and a password in an Authorization header.

    It reads a header of any scheme as Basic, and raises if that fails, as for the token
    of a proxy or of another API.
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
    # The pool's class inherits this function unless a module overrides it.
    return getattr(loader, "__func__", None) is of_nereid.__func__
