"""The web request on both sides: noted when it defers, restored in the worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from flask_login import current_user
from nereid.globals import current_locale, current_website
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..messages.message import WebRequest
from ..messages.task_ids import Owner
from ..runtime import Caller, no_caller
from ..settings import Settings
from . import login, owners
from .hosts import Hosts
from .origin import Origins
from .owner_cookie import CookieJar, OwnerCookies

if TYPE_CHECKING:
    from flask import Response
    from nereid import Nereid

#: Marks the environment of a request that a worker has restored.
_RESTORED = "nereid_async.restored"
#: Where the environment of a request keeps the cookies of its owner.
_COOKIES = "nereid_async.owner"


class Callers:
    """Tells who defers: the visitor of the current request, or nobody.

    :param hosts: told of the request's host: the caller will poll there.
    """

    def __init__(
        self, app: Nereid, settings: Settings, jar: CookieJar, hosts: Hosts
    ) -> None:
        self._app = app
        self._jar = jar
        self._hosts = hosts
        self._result_ttl_s = settings.result_ttl
        self._origins = Origins(
            dict(settings.base_url), app.config.get("TRUSTED_HOSTS") or ()
        )

    def current(self, delay_s: float, shared: bool) -> Caller:
        """Who defers now.

        :param delay_s: for how long the task waits; its owner has to be known after.
        :param shared: whether the result is for everybody: nobody is its owner then.
        """
        if not has_request_context() or _is_restored():
            return no_caller(delay_s, shared)
        website = current_website.id
        self._hosts.learn(request.environ.get("HTTP_HOST"), website)
        user = login.of_request(self._app)
        web = WebRequest(
            website=website,
            locale=current_locale.id,
            language=Transaction().language,
            base_url=self._origins.base_url(request, current_website),
            user=None if user == login.ANONYMOUS else current_user.id,
        )
        if shared:
            return Caller(Owner("shared", website), web)
        secret = self._cookies().secret(delay_s + self._result_ttl_s)
        return Caller(owners.owner(secret, user, website), web)

    def _cookies(self) -> OwnerCookies:
        cookies: OwnerCookies | None = request.environ.get(_COOKIES)
        if cookies is None:
            cookies = OwnerCookies(self._jar, request.cookies, request.is_secure)
            request.environ[_COOKIES] = cookies
        return cookies

    def renew(self, sender: Any = None, **_: Any) -> None:
        """Receive the signal of a login or a logout."""
        if has_request_context():
            self._cookies().renew(self._result_ttl_s)

    def answer(self, response: Response) -> Response:
        """Let an answer carry the cookies that its request has made."""
        cookies: OwnerCookies | None = request.environ.get(_COOKIES)
        if cookies is not None:
            cookies.set_cookies(response)
        return response


def register(app: Nereid, callers: Callers) -> None:
    """Follow the app's answers, logins and logouts."""
    from flask_login import user_logged_in, user_logged_out

    for signal in (user_logged_in, user_logged_out):
        # blinker would let go of a method that nobody else holds.
        signal.connect(callers.renew, sender=app, weak=False)
    # The first of the list comes last: no other makes the answer public again.
    app.after_request_funcs.setdefault(None, []).insert(0, callers.answer)


def _is_restored() -> bool:
    return _RESTORED in request.environ


@contextmanager
def restored(app: Nereid, web: WebRequest) -> Iterator[None]:
    """The web context a task was deferred in, inside the worker's transaction.

    Templates, ``url_for(_external=True)``, ``current_website``, ``current_locale``,
    ``current_user`` and translations give what they would have given in the view.
    """
    with app.test_request_context(
        base_url=web.base_url, environ_overrides={_RESTORED: True}
    ) as context:
        context.website = web.website
        context.locale = web.locale
        if web.user is not None:
            user = Pool().get("nereid.user").load_user(web.user)
            app.login_manager._update_request_context_with_user(user)
        with Transaction().set_context(language=web.language):
            yield
