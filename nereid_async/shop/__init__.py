"""What a Nereid shop needs besides its own module: an app, a database, a site.

None of it has to be used; ``NereidAsync`` takes any Nereid app.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import libmagic

if TYPE_CHECKING:
    from nereid import Nereid

__all__ = ["create_app"]


def create_app(
    database: str,
    folder: str | Path,
    *,
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Nereid:
    """Create a shop's app, with the extension, ready to serve.

    :param database: name of its Tryton database.
    :param folder: keeps the secret key and the sessions; it is made if it is missing,
        for its owner only. Web processes and workers share it.
    :param config: goes into ``app.config``; it wins.
    :param options: of the app itself, such as ``static_folder``.
    :raises ConfigurationError: the C library libmagic is missing, a setting wrong, or
        the database not one that ``setup-shop`` has made.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    libmagic.provide()
    # Imported late: Nereid needs the library, and Tryton chooses its database backend,
    # when they are imported.
    from .app import build

    return build(database, Path(folder), config or {}, **options)
