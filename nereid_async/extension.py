"""``NereidAsync``: sets up settings, signals, routes, commands and template helpers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from . import mail, pending, runtime, settings, versions
from .errors import ConfigurationError
from .runtime import Runtime
from .task import async_task
from .tryton_config import config as tryton_config

if TYPE_CHECKING:
    from nereid import Nereid

    from .task_types import TaskDecorator
    from .web.parts import BeforePoll

EXTENSION = "nereid_async"


class NereidAsync:
    """The Flask extension. It keeps no app: state is in ``app.extensions``.

    :param app: a :class:`nereid.Nereid` to call :meth:`init_app` with at once; None
        if the application does that.
    """

    def __init__(self, app: Nereid | None = None) -> None:
        self._before_poll: list[BeforePoll] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Nereid) -> None:
        """Set up an app, before or after ``app.initialise()``.

        Reads the configuration once. Opens no connection; the database is checked when
        the app is initialised.

        :raises ConfigurationError: a setting is unknown, ill-typed or missing; trytond
            is of another series; the app was set up before, has no database, or has
            answered a request already. Now, or in ``app.initialise()``: the module is
            not activated in the database, or not updated.
        """
        self._check(app)
        if app.tryton_configfile and not app.initialised:
            # Nereid reads it in initialise(); our settings may be in it, too.
            tryton_config.update_etc(app.tryton_configfile)
        from .web import caller, hosts, owner_cookie, parts, routes, sessions, templates

        loaded = settings.load(app.config)
        known_hosts = hosts.Hosts(app.database_name)
        jar = owner_cookie.CookieJar(loaded.signing_key, app.database_name)
        callers = caller.Callers(app, loaded, jar, known_hosts)
        state = runtime.build(
            app.database_name,
            loaded,
            callers.current,
            # The closure also keeps the app alive: a worker may hold nothing else.
            lambda web: caller.restored(app, web),
            lambda task_id: routes.result_url(app, task_id),
        )
        if state.rows is not None:
            _when_initialised(app, state.check_database, state.check_tables)
        # Nothing fails from here on: an app is set up completely, or not at all.
        app.extensions[EXTENSION] = state
        _connect(app, state)
        caller.register(app, callers)
        routes.register(parts.Parts(app, state, jar, known_hosts, self._before_poll))
        _when_initialised(
            app,
            lambda: routes.exempt_from_tokens(app),
            lambda: templates.preload_templates(app),
        )
        templates.register(app)
        _add_commands(app)
        sessions.warn_if_forgetful(app)

    def _check(self, app: Nereid) -> None:
        versions.check()
        if EXTENSION in app.extensions:
            raise ConfigurationError("init_app was called for this app before")
        if getattr(app, "_got_first_request", False):
            raise ConfigurationError(
                "init_app was called after the app's first request; call it when the "
                "app is made: routes and signals cannot be added any more"
            )
        if not app.config.get("DATABASE_NAME"):
            raise ConfigurationError(
                "DATABASE_NAME in app.config is not set; set it before init_app"
            )

    def before_poll(self, hook: BeforePoll) -> BeforePoll:
        """Register a hook that runs before each poll; a decorator.

        For what ``before_request`` handlers do, which do not run before most polls
        (setting ``fast_poll``).

        :param hook: takes the request. What it returns, unless None, is the answer; an
            exception is handled as that of a view. It runs without app context and
            without Tryton transaction.
        """
        self._before_poll.append(hook)
        return hook

    #: Make a plain function deferrable; see :func:`~nereid_async.async_task`. The
    #: worker imports its module by the setting ``imports``. Needs no app.
    task: ClassVar[TaskDecorator] = staticmethod(async_task)  # type: ignore[assignment]

    #: Ask for the delivery of a mail; see :func:`nereid_async.mail.send_mail`. Needs no
    #: app.
    send_mail = staticmethod(mail.send_mail)


def _when_initialised(app: Nereid, *steps: Callable[[], None]) -> None:
    """Run the steps now, or as soon as Nereid has loaded the database."""
    initialise = app.initialise

    def and_then() -> None:
        initialise()
        for step in steps:
            step()

    if not app.initialised:
        app.initialise = and_then
        return
    for step in steps:
        step()


def _connect(app: Nereid, state: Runtime) -> None:
    """Follow the app's contexts and Nereid's transaction signals."""
    from flask import appcontext_popped, appcontext_pushed
    from nereid import signals

    def on_pushed(sender: Any, **_: Any) -> None:
        runtime.activate(state)

    def on_popped(sender: Any, **_: Any) -> None:
        runtime.deactivate(state)

    def on_start(sender: Any, **_: Any) -> None:
        pending.begin_request()

    def on_commit(sender: Any, **_: Any) -> None:
        pending.commit_request()

    def on_stop(sender: Any, **_: Any) -> None:
        pending.end_request()

    # weak=False: nothing else refers to these functions.
    for signal, receiver in (
        (appcontext_pushed, on_pushed),
        (appcontext_popped, on_popped),
        (signals.transaction_start, on_start),
        (signals.transaction_commit, on_commit),
        (signals.transaction_stop, on_stop),
    ):
        signal.connect(receiver, sender=app, weak=False)


def _add_commands(app: Nereid) -> None:
    from .cli import flask_group

    if "async" not in app.cli.commands:
        app.cli.add_command(flask_group)
