"""Flask apps with Flask-Tryton: one transaction a view, by ``Tryton.transaction()``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import request, session
from trytond.transaction import Transaction

from ..errors import ConfigurationError
from ..messages.message import WebRequest
from .framework import Framework, session_of
from .origin import Origins
from .visitor import ANONYMOUS, Visitor

if TYPE_CHECKING:
    from flask import Flask

#: Returns the id of the user logged in, or None; takes Flask's session.
UserFinder: TypeAlias = Callable[[Mapping[str, Any]], object]

#: Flask-Tryton's key in ``app.extensions``.
EXTENSION = "Tryton"


class FlaskTrytonApp(Framework):
    """An app that Flask-Tryton has set up, so that its database is loaded.

    :param user: tells who is logged in. Without it flask-login does, if the app has it;
        otherwise there are no logins, and the owner is the browser.
    :raises ConfigurationError: the app has no database.
    """

    def __init__(self, app: Flask, user: UserFinder | None) -> None:
        database = app.config.get("TRYTON_DATABASE")
        if not database:
            raise ConfigurationError(
                "TRYTON_DATABASE in app.config is not set; set it before Tryton(app)"
            )
        super().__init__(app, database)
        self._user = user

    def when_loaded(self, *steps: Callable[[], None]) -> None:
        """Run the steps now."""
        for step in steps:
            step()

    def exempt_from_tokens(self, endpoint: str) -> None:
        """Exempt the view of an endpoint, if Flask-WTF protects the app."""
        protection = self.app.extensions.get("csrf")
        if protection is not None:
            protection.exempt(self.app.view_functions[endpoint])

    def visitor(self, user_matters: bool = True) -> Visitor:
        """The user, as the app's function or flask-login knows."""
        if not user_matters:
            return Visitor()
        if self._user is not None:
            return _visitor(self._user(session))
        if not self._has_login:
            return Visitor()
        from flask_login import current_user

        return _visitor(current_user.get_id())

    def early_visitor(self, request: Any, user_matters: bool) -> Visitor | None:
        """The user, unless flask-login has to be asked."""
        if not user_matters:
            return Visitor()
        if self._user is None:
            return None if self._has_login else Visitor()
        session = session_of(self.app, request)
        return None if session is None else _visitor(self._user(session))

    @property
    def _has_login(self) -> bool:
        return hasattr(self.app, "login_manager")

    def web_request(self, visitor: Visitor, origins: Origins) -> WebRequest:
        """Language and base URL of the current request."""
        return WebRequest(
            website=None,
            locale=None,
            language=Transaction().language,
            base_url=origins.base_url(request, self.app.config["SERVER_NAME"] or ""),
        )

    def login_signals(self) -> tuple[Any, ...]:
        """Those of flask-login, where it is installed."""
        if find_spec("flask_login") is None:
            return ()
        from flask_login import user_logged_in, user_logged_out

        return user_logged_in, user_logged_out


def _visitor(user: object) -> Visitor:
    return Visitor(ANONYMOUS if user is None else str(user))
