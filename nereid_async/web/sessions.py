"""The session store: one that keeps things, and ids that nobody could have planted."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from flask_login import user_loaded_from_cookie, user_logged_in
from secure_cookie.session import SessionStore

if TYPE_CHECKING:
    from nereid import Nereid


def warn_if_forgetful(app: Nereid) -> None:
    """Warn where Nereid's default store stands on a cache that keeps nothing."""
    from nereid.sessions import MemcachedSessionStore

    store = getattr(app.session_interface, "session_store", None)
    if isinstance(store, MemcachedSessionStore) and (
        app.config.get("CACHE_TYPE") == "cachelib.NullCache"
    ):
        warnings.warn(
            "sessions are kept in a cache that keeps nothing (CACHE_TYPE is "
            "cachelib.NullCache): no visitor can fetch a result, and CSRF tokens "
            "fail. Give app.session_interface.session_store a real store, such as "
            "secure_cookie.session.FilesystemSessionStore",
            stacklevel=4,
        )


def renew(app: Nereid) -> None:
    """Give the current session another id, where its store goes by ids.

    Done when something enters it that is worth stealing: somebody may have planted
    the id in the visitor's browser to share the session (session fixation; see
    OWASP's cheat sheet on sessions). What was in the session stays in it.
    """
    from flask import session

    store = getattr(app.session_interface, "session_store", None)
    if isinstance(store, SessionStore) and hasattr(session, "sid"):
        session.sid = store.generate_key()


def renew_at_login(app: Nereid) -> None:
    """See to it that a login makes a new id; Nereid keeps the old one."""

    def on_login(sender: Any, **_: Any) -> None:
        renew(app)

    for signal in (user_logged_in, user_loaded_from_cookie):
        signal.connect(on_login, sender=app, weak=False)
