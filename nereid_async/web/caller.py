"""The web context of a task: recorded when a request defers, restored in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from trytond.transaction import Transaction

from ..messages.message import WebRequest
from ..messages.task_ids import Owner
from ..runtime import Caller, no_caller
from ..settings import Settings
from . import owners
from .framework import Framework
from .origin import Origins
from .owner_cookie import CookieJar, OwnerCookies

if TYPE_CHECKING:
    from flask import Response

#: Key in the WSGI environment of a request that a worker has restored.
_RESTORED = "nereid_async.restored"
#: Key of the owner's cookies in the WSGI environment of a request.
_COOKIES = "nereid_async.owner"


class Callers:
    """Tells who defers: the browser of the current request, or nobody."""

    def __init__(
        self, framework: Framework, settings: Settings, jar: CookieJar
    ) -> None:
        self._framework = framework
        self._jar = jar
        self._result_ttl_s = settings.result_ttl
        self._origins = Origins(
            dict(settings.base_url), framework.app.config.get("TRUSTED_HOSTS") or ()
        )

    def current(self, delay_s: float, shared: bool) -> Caller:
        """The caller of a deferral.

        :param delay_s: delay of the task, in seconds; its owner's cookie must outlast
            it.
        :param shared: whether everybody may read the result, so that it has no owner.
        """
        if not has_request_context() or _is_restored():
            return no_caller(delay_s, shared)
        visitor = self._framework.visitor()
        web = self._framework.web_request(visitor, self._origins)
        if shared:
            return Caller(Owner("shared", visitor.website), web)
        secret = self._cookies().secret(delay_s + self._result_ttl_s)
        return Caller(owners.owner(secret, visitor), web)

    def _cookies(self) -> OwnerCookies:
        cookies: OwnerCookies | None = request.environ.get(_COOKIES)
        if cookies is None:
            cookies = OwnerCookies(self._jar, request.cookies, request.is_secure)
            request.environ[_COOKIES] = cookies
        return cookies

    def renew(self, sender: Any = None, **_: Any) -> None:
        """Renew the owner's secret, after the signal of a login or a logout."""
        if has_request_context():
            self._cookies().renew(self._result_ttl_s)

    def answer(self, response: Response) -> Response:
        """Add the cookies that its request has made to an answer."""
        cookies: OwnerCookies | None = request.environ.get(_COOKIES)
        if cookies is not None:
            cookies.set_cookies(response)
        return response


def register(framework: Framework, callers: Callers) -> None:
    """Connect to the app's answers, logins and logouts."""
    app = framework.app
    for signal in framework.login_signals():
        # weak=False: nothing else refers to this bound method.
        signal.connect(callers.renew, sender=app, weak=False)
    # The first of the list runs last: no other handler makes the answer public again.
    app.after_request_funcs.setdefault(None, []).insert(0, callers.answer)


def _is_restored() -> bool:
    return _RESTORED in request.environ


@contextmanager
def restored(framework: Framework, web: WebRequest) -> Iterator[None]:
    """Restore the web context of the deferral, inside the worker's transaction.

    Templates, ``url_for(_external=True)`` and translations work as in the view that
    deferred; with Nereid ``current_website``, ``current_locale`` and ``current_user``,
    too.
    """
    with (
        framework.app.test_request_context(
            base_url=web.base_url, environ_overrides={_RESTORED: True}
        ) as context,
        framework.restored(context, web),
        Transaction().set_context(language=web.language),
    ):
        yield
