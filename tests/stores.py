"""Session stores of kinds that Nereid does not bring."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from cachelib import FileSystemCache
from flask.sessions import SessionInterface, SessionMixin


class CachedSession(dict[str, Any], SessionMixin):
    """What a visitor's session holds, and its id."""

    modified = True

    def __init__(self, values: dict[str, Any], sid: str) -> None:
        super().__init__(values)
        self.sid = sid


class CachedSessions(SessionInterface):
    """Server-side sessions as Flask-Session makes them: any cache, ids of its own.

    :param folder: for the cache's files.
    """

    def __init__(self, folder: Path) -> None:
        self._cache = FileSystemCache(str(folder / "cached-sessions"))

    def open_session(self, app: Any, request: Any) -> CachedSession:
        """The session of the cookie, or a new one."""
        sid = request.cookies.get(self.get_cookie_name(app))
        values = self._cache.get(sid) if sid else None
        if values is None:
            return CachedSession({}, secrets.token_urlsafe(16))
        return CachedSession(values, sid)

    def save_session(self, app: Any, session: Any, response: Any) -> None:
        """Keep it; one that is empty is removed."""
        if session:
            self._cache.set(session.sid, dict(session), 3_600)
            response.set_cookie(self.get_cookie_name(app), session.sid, httponly=True)
        else:
            self._cache.delete(session.sid)
