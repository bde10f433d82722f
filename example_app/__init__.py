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
    from nereid_async import shop

    from . import error_pages, headers

    settings: dict[str, Any] = {"MAX_CONTENT_LENGTH": MAX_REQUEST_BYTES}
    settings |= {"EXAMPLE_MAILBOX": str(folder.mailbox)}
    settings |= {it: os.environ[it] for it in os.environ if it.startswith("ASYNC_")}
    app = shop.create_app(
        DATABASE,
        folder.path,
        config=settings | dict(config or {}),
        static_folder=str(Path(__file__).parent / "static"),
    )
    error_pages.register(app)
    headers.register(app)
    return app
