"""Logins and sessions: the extension looks at them, and leaves them alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.browser import Browser
from devtools.site import VISITORS
from devtools.workers import burst
from tests.fixtures.apps import AppFactory
from tests.helpers import query

# What is tested knows nothing of the database.
pytestmark = pytest.mark.backends("sqlite")

ADA, GRACE = VISITORS


@pytest.fixture
def app(app_factory: AppFactory) -> Any:
    """An app on the default broker: none of this goes by the broker."""
    return app_factory()


def user_of(browser: Browser) -> Any:
    """The user the shop takes the visitor for."""
    answer = browser.get("/en/whoami")
    assert answer.status_code == 200, answer.text
    return answer.json["user"]


def session_files(app: Any) -> list[Path]:
    return list(Path(app.session_interface.session_store.path).glob("*.session"))


# A login ends everywhere.


def log_out(browser: Browser) -> None:
    browser.log_out()


def change_password(browser: Browser) -> None:
    answer = browser.post(
        "/en/change-password",
        data={"old_password": VISITORS[ADA], "password": "x" * 20, "confirm": "x" * 20},
    )
    assert answer.status_code == 302, answer.text


@pytest.fixture
def passwords(database: str) -> Iterator[None]:
    """The passwords as they are, again after the test."""
    hashes = query(database, "SELECT password_hash, id FROM nereid_user")
    yield
    for row in hashes:
        query(database, "UPDATE nereid_user SET password_hash = %s WHERE id = %s", *row)


@pytest.mark.usefixtures("passwords")
@pytest.mark.parametrize("end", [log_out, change_password])
def test_the_end_of_a_login_is_its_end_for_each_cookie_it_ever_had(
    app: Any, client: Browser, end: Callable[[Browser], None]
) -> None:
    copies = [client.twin()]
    client.log_in(ADA)
    copies.append(client.twin())
    task = client.defer("echo", "of ada")
    copies.append(client.twin())
    burst(app)
    client.defer("echo", "x")
    copies.append(client.twin())
    assert user_of(client) == ADA
    end(client)
    copies.append(client)
    assert [user_of(copy) for copy in copies] == [None] * len(copies)
    assert [copy.get(task["url"]).status_code for copy in copies] == [404] * len(copies)


def test_deferring_and_logging_in_leave_the_session_id_alone(client: Browser) -> None:
    client.csrf_token()
    before = client.session_id
    client.defer("echo", "x")
    client.log_in(ADA)
    client.defer("echo", "x")
    assert client.session_id == before


def test_a_deferral_writes_nothing_into_the_session(client: Browser, app: Any) -> None:
    client.csrf_token()
    (file,) = session_files(app)
    before = file.read_bytes()
    client.defer("echo", "x")
    assert [file] == session_files(app)
    assert file.read_bytes() == before


def test_a_page_view_makes_no_session(client: Browser, app: Any) -> None:
    answer = client.get("/en/page-of-a-task")
    assert "<async-result" in answer.text
    assert session_files(app) == []
    assert client.client.get_cookie("session") is None


# Logins by a header.


def header(address: str) -> dict[str, str]:
    credentials = f"{address}:{VISITORS[address]}".encode()
    return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def test_a_login_by_header_owns_as_the_user(client: Browser, app: Any) -> None:
    answer = client.post(
        "/en/defer-result", json={"args": ["of ada"]}, headers=header(ADA)
    )
    burst(app)
    url = answer.json["url"]
    assert client.get(url, headers=header(ADA)).json["result"] == "of ada"
    assert client.get(url).status_code == 404
    assert client.get(url, headers=header(GRACE)).status_code == 404
    # The same user, logged in by a form in the same browser.
    client.log_in(ADA)
    assert client.get(url).json["result"] == "of ada"


UNREADABLE = ["Basic", "Basic !!!", "Basic YQ==", "Basic //79/Q==", "Bearer a.b.c", ""]


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_header_that_is_no_login_of_nereids_is_none(
    client: Browser, app: Any, value: str
) -> None:
    """A proxy or an API of the shop's own may have it; Nereid fails to read it."""
    headers = {"Authorization": value}
    answer = client.post("/en/defer-result", json={"args": ["x"]}, headers=headers)
    assert answer.status_code == 202
    burst(app)
    url = answer.json["url"]
    assert client.get(url, headers=headers).json["result"] == "x"
    assert client.get(url).json["result"] == "x"
    assert Browser(app).get(url, headers=headers).status_code == 404
    assert client.delete(url, headers=headers).status_code == 204


def test_a_header_is_read_as_nereid_reads_it(client: Browser, app: Any) -> None:
    """Without the word in front, and with what is no Base64 between."""
    value = header(ADA)["Authorization"].removeprefix("Basic ")
    odd = {"Authorization": f"{value[:3]} {value[3:]}"}
    answer = client.post("/en/defer-result", json={"args": ["x"]}, headers=odd)
    burst(app)
    url = answer.json["url"]
    assert client.get(url, headers=odd).json["result"] == "x"
    assert client.get(url, headers=header(ADA)).json["result"] == "x"
    assert client.get(url).status_code == 404


def test_a_remembered_user_is_one(app: Any) -> None:
    visitor = Browser(app)
    answer = visitor.post(
        "/en/login",
        data={"email": ADA, "password": VISITORS[ADA], "remember": "y"},
    )
    assert answer.status_code == 302
    task = visitor.defer("echo", "of ada")
    burst(app)
    # The session ends with the browser, the user is remembered.
    visitor.client.delete_cookie("session")
    assert visitor.get(task["url"]).json["result"] == "of ada"
    visitor.client.delete_cookie("remember_token")
    visitor.client.delete_cookie("session")
    assert visitor.get(task["url"]).status_code == 404


def test_a_user_loader_of_the_shops_own_is_asked(app_factory: AppFactory) -> None:
    """One that ends all sessions of a user whose password was changed, say."""
    app = app_factory()
    load_user = app.login_manager.user_callback
    valid = [True]
    app.login_manager.user_loader(lambda id: load_user(id) if valid[0] else None)
    client = Browser(app)
    client.log_in(ADA)
    task = client.defer("echo", "of ada")
    assert client.get(task["url"]).status_code == 202
    valid[0] = False
    assert client.get(task["url"]).status_code == 404


# Stores.


def flask_session(app: Any, folder: Path) -> None:
    """Sessions of Flask-Session's kind: a server-side store behind an interface."""
    from tests.stores import CachedSessions

    app.session_interface = CachedSessions(folder)


def client_side(app: Any, folder: Path) -> None:
    from flask.sessions import SecureCookieSessionInterface

    app.session_interface = SecureCookieSessionInterface()


def nothing_kept(app: Any, folder: Path) -> None:
    from nereid.sessions import MemcachedSessionStore

    app.session_interface.session_store = MemcachedSessionStore()


STORES = [flask_session, client_side, nothing_kept]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.filterwarnings("ignore:sessions are kept in a cache that keeps nothing")
def test_results_with_each_kind_of_session(
    app_factory: AppFactory, tmp_path: Path, store: Callable[[Any, Path], None]
) -> None:
    # CSRF tokens need sessions that are kept.
    app = app_factory(WTF_CSRF_ENABLED=store is not nothing_kept)
    store(app, tmp_path)
    client = Browser(app)
    task = client.defer("echo", "mine")
    burst(app)
    assert client.get(task["url"]).json["result"] == "mine"
    assert Browser(app).get(task["url"]).status_code == 404
    if store is nothing_kept:
        return
    client.log_in(ADA)
    assert client.get(task["url"]).json["result"] == "mine"
    of_ada = client.defer("echo", "of ada")
    burst(app)
    assert client.get(of_ada["url"]).json["result"] == "of ada"
    client.log_out()
    assert client.get(of_ada["url"]).status_code == 404


@pytest.mark.parametrize("way", ["fast", "normal"])
def test_strong_session_protection(app_factory: AppFactory, way: str) -> None:
    """A session that comes from elsewhere is that of nobody."""
    app = app_factory(SESSION_PROTECTION="strong")
    client = Browser(app)
    client.log_in(ADA)
    task = client.defer("echo", "of ada")
    burst(app)
    if way == "normal":
        app.wsgi_app = app.wsgi_app.wsgi_app
    assert client.get(task["url"]).json["result"] == "of ada"
    thief = {"User-Agent": "another browser"}
    answer = client.get(task["url"], headers=thief)
    assert answer.status_code == 404
