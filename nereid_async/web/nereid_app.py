"""Nereid apps: websites, locales, flask-login, and the signals of transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from flask import request
from flask_login import current_user, user_logged_in, user_logged_out
from nereid import signals
from nereid.globals import current_locale, current_website
from trytond.pool import Pool
from trytond.transaction import Transaction

from .. import pending
from ..errors import ConfigurationError
from ..messages.message import WebRequest
from ..tryton_config import config as tryton_config
from . import login, sessions
from .framework import Framework, session_of
from .hosts import Hosts
from .origin import Origins
from .visitor import ANONYMOUS, Visitor

if TYPE_CHECKING:
    from flask.ctx import RequestContext
    from nereid import Nereid


class NereidApp(Framework):
    """An app of Nereid, before or after ``app.initialise()``.

    :ivar hosts: learns the websites of hosts from the requests that are dispatched.
    :raises ConfigurationError: the app has no database.
    """

    # Nereid's route opens a read-only transaction then.
    route_options: ClassVar[Mapping[str, Any]] = {"readonly": True}

    #: How long the name of a website is cached.
    _FRESH_S = 60.0

    def __init__(self, app: Nereid) -> None:
        if not app.config.get("DATABASE_NAME"):
            raise ConfigurationError(
                "DATABASE_NAME in app.config is not set; set it before init_app"
            )
        super().__init__(app, app.database_name)
        self.hosts = Hosts(self.database)
        self._names: dict[int, tuple[str, float]] = {}

    def read_configuration(self) -> None:
        """Read the file that Nereid reads in ``initialise()``."""
        if self.app.tryton_configfile and not self.app.initialised:
            tryton_config.update_etc(self.app.tryton_configfile)

    def when_loaded(self, *steps: Callable[[], None]) -> None:
        """Run the steps now, or in ``initialise()``."""
        initialise = self.app.initialise

        def and_then() -> None:
            initialise()
            for step in steps:
                step()

        if not self.app.initialised:
            self.app.initialise = and_then
            return
        for step in steps:
            step()

    def connect(self) -> None:
        """Follow Nereid's transactions, and let it find its templates early."""

        def on_start(sender: Any, **_: Any) -> None:
            pending.begin_request()

        def on_commit(sender: Any, **_: Any) -> None:
            pending.commit_request()

        def on_stop(sender: Any, **_: Any) -> None:
            pending.end_request()

        for signal, receiver in (
            (signals.transaction_start, on_start),
            (signals.transaction_commit, on_commit),
            (signals.transaction_stop, on_stop),
        ):
            # weak=False: nothing else refers to these functions.
            signal.connect(receiver, sender=self.app, weak=False)
        self.when_loaded(self._preload_templates)
        sessions.warn_if_forgetful(self.app)

    def _preload_templates(self) -> None:
        """Let Nereid find the templates of its modules now, while there is one thread.

        Otherwise it does so at the first mail or page, and another thread that renders
        meanwhile finds no templates.
        """
        with Transaction().start(self.database, 0, readonly=True):
            # Reading this property finds them.
            _ = self.app.jinja_loader.loaders

    def exempt_from_tokens(self, endpoint: str) -> None:
        """Exempt an endpoint, by its name."""
        self.app.extensions["csrf"].exempt(endpoint)

    def visitor(self, user_matters: bool = True) -> Visitor:
        """The website that Nereid has found, and the user that flask-login sees."""
        website = current_website.id
        self.hosts.learn(request.environ.get("HTTP_HOST"), website)
        user = login.of_request(self.app) if user_matters else ANONYMOUS
        return Visitor(user, website)

    def early_visitor(self, request: Any, user_matters: bool) -> Visitor | None:
        """The website that Nereid has found for this host, and the session's user."""
        website = self.hosts.website(request.environ.get("HTTP_HOST"))
        if website is None:
            return None
        user = self._early_user(request) if user_matters else ANONYMOUS
        return None if user is None else Visitor(user, website)

    def _early_user(self, request: Any) -> str | None:
        session = session_of(self.app, request)
        if session is None:
            return None
        return login.of_session(self.app, request, session)

    def web_request(self, visitor: Visitor, origins: Origins) -> WebRequest:
        """Website, locale, language and user of the current request."""
        return WebRequest(
            website=visitor.website,
            locale=current_locale.id,
            language=Transaction().language,
            base_url=origins.base_url(request, self._name(current_website)),
            user=None if visitor.user == ANONYMOUS else current_user.id,
        )

    def _name(self, website: Any) -> str:
        # Cached, to save a statement per request.
        name, until_s = self._names.get(website.id, ("", 0.0))
        if time.monotonic() >= until_s:
            name = website.name
            self._names[website.id] = name, time.monotonic() + self._FRESH_S
        return name

    def login_signals(self) -> tuple[Any, ...]:
        """Those of flask-login."""
        return user_logged_in, user_logged_out

    @contextmanager
    def restored(self, context: RequestContext, web: WebRequest) -> Iterator[None]:
        """Restore website, locale and user."""
        found: Any = context
        found.website = web.website
        found.locale = web.locale
        if web.user is not None:
            user = Pool().get("nereid.user").load_user(web.user)
            self.app.login_manager._update_request_context_with_user(user)
        yield
