"""What a Nereid shop needs besides its own module: an app, a database, a site.

None of it has to be used; ``NereidAsync`` takes any Nereid app.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..start import read_config
from . import libmagic
from .loading import importing_nereid, told_in_a_line

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
    :raises ConfigurationError: trytond.conf or a setting is wrong, Nereid or the C
        library libmagic missing, the folder not writable, or the database not one that
        ``setup-shop`` has made. Flask's commands and gunicorn print a line for it.
    :raises DatabaseUnavailable: the database is unreachable.
    """
    with told_in_a_line():
        libmagic.provide()
        read_config()
        # Imported late: Nereid needs the library, and Tryton chooses its database
        # backend, when they are imported.
        with importing_nereid():
            from .app import build
        return build(database, Path(folder), config or {}, **options)
