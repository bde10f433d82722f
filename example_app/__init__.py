"""A small shop on Nereid that leaves its slow work to ``nereid_async``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import configuration
from .folder import DATABASE, DataFolder

if TYPE_CHECKING:
    from nereid import Nereid

__all__ = ["create_app"]

#: No form of the shop comes near this size, in bytes.
MAX_REQUEST_BYTES = 256 * 1024


def create_app(config: Mapping[str, Any] | None = None) -> Nereid:
    """Create the shop's application from the data folder (EXAMPLE_DATA).

    Environment variables ``ASYNC_...`` become settings of the extension.

    :param config: further settings of the application; they win.
    :raises NotSetUp: the data folder is not set up.
    """
    folder = DataFolder.from_environment()
    configuration.load(folder)
    # Imported only now: Tryton chooses its database backend when it is imported.
    from nereid import Nereid

    from nereid_async import NereidAsync

    from . import error_pages, headers

    app = Nereid(static_folder=str(Path(__file__).parent / "static"))
    app.config.update(
        DATABASE_NAME=DATABASE,
        SECRET_KEY=folder.secret_key(),
        TEMPLATE_PREFIX_WEBSITE_NAME=False,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        EXAMPLE_MAILBOX=str(folder.mailbox),
    )
    app.config.update(
        (name, value) for name, value in os.environ.items() if name.startswith("ASYNC_")
    )
    app.config.update(config or {})
    app.session_interface = _session_interface(folder)
    NereidAsync().init_app(app)
    app.initialise()
    error_pages.register(app)
    headers.register(app)
    return app


def _session_interface(folder: DataFolder) -> Any:
    """Sessions in files of the data folder that only its owner can read."""
    from nereid.sessions import NereidSessionInterface, Session
    from secure_cookie.session import FilesystemSessionStore

    interface = NereidSessionInterface()
    interface.session_store = FilesystemSessionStore(
        str(folder.sessions), session_class=Session, renew_missing=True, mode=0o600
    )
    return interface
