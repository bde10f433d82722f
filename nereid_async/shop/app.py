"""A Nereid app with sessions, a secret key and the extension."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nereid import Nereid
from nereid.helpers import root_transaction
from nereid.sessions import NereidSessionInterface, Session
from secure_cookie.session import FilesystemSessionStore

from ..database.errors import is_missing_table, translated
from ..errors import ConfigurationError, DatabaseUnavailable
from ..extension import NereidAsync
from ..texts import one_line
from ..tryton_config import unnamed_database


class Shop(Nereid):
    """Nereid, with a map of addresses that is built once for each website.

    Nereid keeps it in a cache that copies what it is given; a map cannot be copied, so
    every request would build a new one. That takes most of the time of a request, and
    threads that do so at the same time make some releases of Python 3.11 fail
    (gh-106905). Here a website's new locales or URL rules show after a restart.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._url_maps: dict[int, Any] = {}
        self._url_maps_lock = threading.Lock()

    # A worker has a transaction already.
    @root_transaction  # type: ignore[untyped-decorator]
    def create_url_adapter(self, request: Any) -> Any:
        if request is None:
            return None
        Website = self.pool.get("nereid.website")
        url_map = self._url_map(Website.get_from_host(request.host))
        return url_map.bind_to_environ(
            request.environ, server_name=self.config["SERVER_NAME"]
        )

    def _url_map(self, website: Any) -> Any:
        with self._url_maps_lock:
            if website.id not in self._url_maps:
                self._url_maps[website.id] = website.get_url_adapter(self)
            return self._url_maps[website.id]


def build(
    database: str, folder: Path, config: Mapping[str, Any], **options: Any
) -> Nereid:
    """See ``create_app``, which is what others call."""
    sessions = folder / "sessions"
    try:
        for it in (folder, sessions):
            it.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret_key = _secret_key(folder / "secret_key")
    except OSError as error:
        raise ConfigurationError(
            f"the app keeps its secret key and sessions in the folder {folder}: "
            f"{one_line(error)}"
        ) from error
    app = Shop(**options)
    app.config.update(
        DATABASE_NAME=database,
        SECRET_KEY=secret_key,
        # Else templates are looked for in a folder named after the website first.
        TEMPLATE_PREFIX_WEBSITE_NAME=False,
    )
    app.config.update(config)
    # Nereid shares one interface among all apps, and its store keeps nothing.
    app.session_interface = NereidSessionInterface()
    app.session_interface.session_store = FilesystemSessionStore(
        str(sessions), session_class=Session, renew_missing=True, mode=0o600
    )
    NereidAsync(app)
    _load(app, database)
    return app


def _load(app: Nereid, database: str) -> None:
    """Load the database, or say what it is that ``setup-shop`` makes and it lacks."""
    try:
        with translated(database):
            app.initialise()
            if not _has_website(app):
                raise _not_set_up(database, "has no website")
    except Exception as error:
        lack = _lack(error)
        if lack is None:
            raise
        raise _not_set_up(database, lack) from error


def _not_set_up(database: str, lack: str) -> ConfigurationError:
    return ConfigurationError(
        f"database {database!r} {lack}; make it, or update it: nereid-async "
        f"setup-shop -d {database} -u MODULE{unnamed_database()}"
    )


@root_transaction  # type: ignore[untyped-decorator]
def _has_website(app: Nereid) -> bool:
    """Whether the shop has one: without it Nereid answers 404 to everything."""
    return bool(app.pool.get("nereid.website").search([], limit=1, order=[]))


def _lack(error: Exception) -> str | None:
    """What a database lacks that an app cannot be without; None for other errors."""
    if isinstance(error, DatabaseUnavailable):
        # No server has a code for it: the driver tells an error of a connection.
        text = str(error)
        missing = "doesn't exist" in text or "does not exist" in text
        return "does not exist" if missing else None
    if is_missing_table(error):
        return "has no Tryton in it"
    if isinstance(error, KeyError) and "." in str(error):
        # As Tryton's pool says it.
        return f"lacks the model {error}, whose module is not activated"
    return None


def _secret_key(path: Path) -> str:
    """Read the key; make one for all processes, whichever comes first."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
        ) as it:
            it.write(secrets.token_hex(32))
        try:
            # Unlike a rename it fails where another process was first.
            os.link(draft, path)
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip()
