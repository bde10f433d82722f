"""What differs between the web frameworks on Tryton, as the extension needs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from ..messages.message import WebRequest
from .origin import Origins
from .visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask
    from flask.ctx import RequestContext


class Framework(ABC):
    """One app, seen through what its framework adds to Flask.

    :ivar app: the app; of the framework's own class.
    :ivar database: name of its Tryton database.
    """

    #: Options of the framework for the route of results.
    route_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, app: Flask, database: str) -> None:
        self.app: Any = app
        self.database = database

    def read_configuration(self) -> None:
        """Read the trytond.conf of the app, if the framework has not done so yet."""
        return

    @abstractmethod
    def when_loaded(self, *steps: Callable[[], None]) -> None:
        """Run the steps now, or as soon as the framework has loaded the database."""

    def connect(self) -> None:
        """Follow the transactions of requests, beyond what every transaction tells."""
        return

    @abstractmethod
    def exempt_from_tokens(self, endpoint: str) -> None:
        """Exempt an endpoint from the CSRF token; called when the database is loaded.

        :param endpoint: name of the endpoint.
        """

    @abstractmethod
    def visitor(self, user_matters: bool = True) -> Visitor:
        """The visitor of the current request.

        :param user_matters: whether to find out who is logged in.
        """

    @abstractmethod
    def early_visitor(self, request: Any, user_matters: bool) -> Visitor | None:
        """The visitor of a request that is not dispatched, without a transaction.

        None if only the framework can tell, in a request that it dispatches.

        :param user_matters: whether to find out who is logged in.
        """

    @abstractmethod
    def web_request(self, visitor: Visitor, origins: Origins) -> WebRequest:
        """What the task of the current request needs to know of it."""

    @abstractmethod
    def login_signals(self) -> tuple[Any, ...]:
        """The signals of logins and logouts; their sender is the app."""

    @contextmanager
    def restored(self, context: RequestContext, web: WebRequest) -> Iterator[None]:
        """Restore, in a worker, what the framework adds to a request context."""
        yield


def session_of(app: Flask, request: Any) -> Mapping[str, Any] | None:
    """The session of a request that is not dispatched; None if that cannot be told."""
    try:
        return app.session_interface.open_session(app, request)
    except Exception:
        # The store needs an app context, as Nereid's memcached one does, or fails:
        # then it fails again where Flask handles it.
        return None
