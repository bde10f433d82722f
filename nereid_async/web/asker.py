"""The web request on both sides: noted when it defers, restored in the worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import has_request_context, request, session
from flask_login import current_user
from nereid.globals import current_locale, current_website
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..message import WebRequest
from ..runtime import NO_ASKER, Asker
from . import sessions, visitor
from .cheap_poll import Hosts

if TYPE_CHECKING:
    from nereid import Nereid


def current_asker(app: Nereid, hosts: Hosts) -> Asker:
    """Who defers: the visitor of the current request, or nobody.

    :param hosts: told of the request's host: the asker will poll there.
    """
    if not has_request_context() or _is_restored():
        return NO_ASKER
    if visitor.USER_KEY not in session:
        # A user remembered by a cookie enters the session when first looked at.
        bool(current_user.is_anonymous)
    if visitor.SECRET_KEY not in session:
        sessions.renew(app)
    website = current_website.id
    hosts.learn(request.environ.get("HTTP_HOST", ""), website)
    web = WebRequest(
        website=website,
        locale=current_locale.id,
        language=Transaction().language,
        base_url=request.url_root,
        user=None if current_user.is_anonymous else current_user.id,
    )
    return Asker(visitor.owner(session, website), web)


#: Marks the environment of a request that a worker has restored.
_RESTORED = "nereid_async.restored"


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
