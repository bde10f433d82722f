"""Checks the session store: logins and CSRF tokens need one that keeps its content."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nereid import Nereid


def warn_if_forgetful(app: Nereid) -> None:
    """Warn if Nereid's default session store is on a cache that keeps nothing."""
    from nereid.sessions import MemcachedSessionStore

    store = getattr(app.session_interface, "session_store", None)
    if isinstance(store, MemcachedSessionStore) and (
        app.config.get("CACHE_TYPE") == "cachelib.NullCache"
    ):
        warnings.warn(
            "sessions are kept in a cache that keeps nothing (CACHE_TYPE is "
            "cachelib.NullCache): logins and CSRF tokens fail. Give "
            "app.session_interface.session_store a real store, such as "
            "secure_cookie.session.FilesystemSessionStore",
            stacklevel=5,
        )
