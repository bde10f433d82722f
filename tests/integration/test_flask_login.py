"""Flask-Tryton beside flask-login and Flask-WTF, which the app may have."""

from __future__ import annotations

from typing import Any

import pytest

from devtools.workers import burst
from nereid_async import NereidAsync
from nereid_async.errors import ConfigurationError
from tests.fixtures.flask_apps import FlaskAppFactory
from tests.marks import ONE_DATABASE


def set_up(app: Any) -> None:
    """What the app has before the extension comes."""
    from flask_login import LoginManager, UserMixin, login_user, logout_user
    from flask_wtf import CSRFProtect

    class User(UserMixin):
        def __init__(self, name: str) -> None:
            self.id = name

    manager = LoginManager(app)
    manager.user_loader(User)
    protection = CSRFProtect(app)

    def enter(name: str) -> str:
        login_user(User(name))
        return "in"

    def leave() -> str:
        logout_user()
        return "out"

    app.add_url_rule("/enter/<name>", view_func=enter)
    app.add_url_rule("/leave", view_func=leave)
    # No page of this test has a form, from which to take a token.
    protection.exempt("tests.fixtures.flask_apps.defer")


@ONE_DATABASE
def test_flask_login_knows_who_it_is(flask_app_factory: FlaskAppFactory) -> None:
    app = flask_app_factory(before=set_up)
    visitor = app.test_client()
    visitor.get("/enter/ada")
    url = visitor.post("/defer/adas").json["url"]
    burst(app)
    assert visitor.get(url).json["result"] == "adas"
    visitor.get("/leave")
    assert visitor.get(url).status_code == 404
    visitor.get("/enter/grace")
    assert visitor.get(url).status_code == 404
    visitor.get("/enter/ada")
    # No token is asked for: a page of another origin cannot make a browser send it.
    foreign = visitor.delete(url, headers={"Sec-Fetch-Site": "same-site"})
    assert foreign.status_code == 403
    assert visitor.delete(url).status_code == 204
    # All else is protected as before.
    assert visitor.post("/login/eve").status_code == 400


@ONE_DATABASE
def test_nereid_knows_its_users_itself(database: str, tmp_path: Any) -> None:
    from devtools.apps import bare_app

    with pytest.raises(ConfigurationError, match="user= is for apps with Flask-Tryton"):
        NereidAsync(bare_app(database, tmp_path), user=lambda session: None)
