"""``NereidAsync``: sets up settings, signals, routes, commands and template helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from . import batches, mail, runtime, settings, versions
from .errors import ConfigurationError
from .runtime import Runtime
from .task import async_task

if TYPE_CHECKING:
    from flask import Flask

    from .task_types import TaskDecorator
    from .web.flask_tryton_app import UserFinder
    from .web.parts import BeforePoll

EXTENSION = "nereid_async"


class NereidAsync:
    """The Flask extension. It keeps no app: state is in ``app.extensions``.

    :param app: an app to call :meth:`init_app` with at once; None if the application
        does that.
    :param user: for apps with Flask-Tryton: returns the id of the user logged in, or
        None; takes the session. Without it flask-login is asked, if the app has it.
        Otherwise nobody logs in, and a result is its browser's alone.
    """

    def __init__(
        self, app: Flask | None = None, *, user: UserFinder | None = None
    ) -> None:
        self._user = user
        self._before_poll: list[BeforePoll] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set up an app of Nereid, or one with Flask-Tryton.

        Nereid's before or after ``app.initialise()``; one with Flask-Tryton after
        ``Tryton(app)``. Reads the configuration once. The database is checked when it
        is loaded: in ``app.initialise()``, or now.

        :raises ConfigurationError: a setting is unknown, ill-typed or missing; trytond
            is of another series; the app was set up before, has no database, is of no
            supported framework, or has answered a request already. When the database
            is loaded: the module is not activated in it, or not updated.
        """
        from .web import caller, frameworks, owner_cookie, parts, routes, templates

        versions.check()
        framework = frameworks.framework_of(app, self._user)
        self._check(app)
        framework.read_configuration()
        loaded = settings.load(app.config)
        jar = owner_cookie.CookieJar(loaded.signing_key, framework.database)
        callers = caller.Callers(framework, loaded, jar)
        state = runtime.build(
            framework.database,
            loaded,
            callers.current,
            # The closure also keeps the app alive: a worker may hold nothing else.
            lambda web: caller.restored(framework, web),
            lambda task_id: routes.result_url(app, task_id),
        )
        if state.rows is not None:
            framework.when_loaded(state.check_database, state.check_tables)
        # Nothing fails from here on: an app is set up completely, or not at all.
        app.extensions[EXTENSION] = state
        _connect(app, state)
        caller.register(framework, callers)
        routes.register(parts.Parts(framework, state, jar, self._before_poll))
        framework.when_loaded(lambda: routes.exempt_from_tokens(framework))
        templates.register(app)
        _add_commands(app)
        framework.connect()

    def _check(self, app: Flask) -> None:
        if EXTENSION in app.extensions:
            raise ConfigurationError("init_app was called for this app before")
        if getattr(app, "_got_first_request", False):
            raise ConfigurationError(
                "init_app was called after the app's first request; call it when the "
                "app is made: routes and signals cannot be added any more"
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

    #: Begin a batch of tasks; see :class:`nereid_async.batches.Batch`. Needs no app.
    batch = batches.Batch

    #: Ask for the delivery of a mail; see :func:`nereid_async.mail.send_mail`. Needs no
    #: app.
    send_mail = staticmethod(mail.send_mail)


def _connect(app: Flask, state: Runtime) -> None:
    """Make the runtime the current one while a context of the app is open."""
    from flask import appcontext_popped, appcontext_pushed

    def on_pushed(sender: Any, **_: Any) -> None:
        runtime.activate(state)

    def on_popped(sender: Any, **_: Any) -> None:
        runtime.deactivate(state)

    # weak=False: nothing else refers to these functions.
    appcontext_pushed.connect(on_pushed, sender=app, weak=False)
    appcontext_popped.connect(on_popped, sender=app, weak=False)


def _add_commands(app: Flask) -> None:
    from .cli import flask_group

    if "async" not in app.cli.commands:
        app.cli.add_command(flask_group)
