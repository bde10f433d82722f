"""Finds out which of the supported web frameworks an app is of."""

from __future__ import annotations

import sys

from flask import Flask

from ..errors import ConfigurationError
from .flask_tryton_app import EXTENSION, FlaskTrytonApp, UserFinder
from .framework import Framework

_SUPPORTED = (
    "supported are a nereid.Nereid app, and a Flask app with Flask-Tryton, for which "
    "Tryton(app) is called before. Any other Tryton process, such as trytond itself, "
    "needs no extension: activate the module async_sqs"
)


def framework_of(app: object, user: UserFinder | None = None) -> Framework:
    """The app, as the framework that it is of.

    :param user: as of :class:`.FlaskTrytonApp`.
    :raises ConfigurationError: the app is of none, or has no database.
    """
    # An app of Nereid has imported it; nobody else has to have it.
    nereid = sys.modules.get("nereid")
    if nereid is not None and isinstance(app, nereid.Nereid):
        if user is not None:
            raise ConfigurationError(
                "user= is for apps with Flask-Tryton; Nereid knows who is logged in"
            )
        from .nereid_app import NereidApp

        return NereidApp(app)
    if not isinstance(app, Flask):
        raise ConfigurationError(f"the app is a {_type(app)}; {_SUPPORTED}")
    if EXTENSION not in app.extensions:
        raise ConfigurationError(
            f"the Flask app {app.name!r} has no Tryton in it; {_SUPPORTED}"
        )
    return FlaskTrytonApp(app, user)


def _type(app: object) -> str:
    kind = type(app)
    return f"{kind.__module__}.{kind.__qualname__}"
