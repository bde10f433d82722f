"""Nereid apps in this process, for tests and measurements."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Signs the sessions, the messages and the ids of the tests.
SECRET_KEY = "a-key-that-only-the-tests-know"


def bare_app(database: str, folder: Path, **config: Any) -> Any:
    """Make a Nereid app without the extension; it is not initialised yet.

    :param folder: for its sessions.
    :param config: goes into ``app.config``.
    """
    from nereid import Nereid
    from nereid.sessions import NereidSessionInterface, Session
    from secure_cookie.session import FilesystemSessionStore

    forget_routes(database)
    sessions = folder / "sessions"
    sessions.mkdir(exist_ok=True)
    app = Nereid()
    app.config.update({"SECRET_KEY": SECRET_KEY, **config}, DATABASE_NAME=database)
    # Nereid shares one interface among all apps.
    app.session_interface = NereidSessionInterface()
    app.session_interface.session_store = FilesystemSessionStore(
        str(sessions), session_class=Session, mode=0o600
    )
    return app


def let_go(app: Any) -> None:
    """Take an app's receivers off the signals, which keep it alive otherwise."""
    from flask import appcontext_popped, appcontext_pushed

    signals = [appcontext_pushed, appcontext_popped]
    if find_spec("flask_login"):
        from flask_login import user_logged_in, user_logged_out

        signals += [user_logged_in, user_logged_out]
    if find_spec("nereid"):
        from nereid.signals import (
            transaction_commit,
            transaction_start,
            transaction_stop,
        )

        signals += [transaction_start, transaction_commit, transaction_stop]
    for signal in signals:
        for receiver in list(signal.receivers_for(app)):
            signal.disconnect(receiver, sender=app)


def forget_routes(database: str) -> None:
    """Empty Nereid's caches of routes, which outlive the app that filled them."""
    from nereid import Nereid
    from trytond.pool import Pool

    Website = Pool(database).get("nereid.website")
    Website._url_adapter_cache._clear(database)
    Nereid._url_route_rule_cache._clear(database)
