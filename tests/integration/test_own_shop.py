"""What ``nereid_async.shop`` makes, in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trytond.pool import Pool
from trytond.transaction import Transaction

from devtools.apps import forget_routes, let_go
from devtools.browser import Browser
from devtools.databases import Databases
from nereid_async.errors import ConfigurationError
from nereid_async.shop import create_app
from tests.helpers import query
from tests.marks import ONE_DATABASE

pytestmark = ONE_DATABASE


@pytest.fixture
def made_app(database: str, tmp_path: Path) -> Iterator[Any]:
    forget_routes(database)
    app = create_app(database, tmp_path / "data", config={"WTF_CSRF_ENABLED": False})
    yield app
    let_go(app)


def test_it_serves_and_keeps_sessions(made_app: Any, tmp_path: Path) -> None:
    key = tmp_path / "data" / "secret_key"
    assert made_app.config["SECRET_KEY"] == key.read_text().strip()
    assert (key.stat().st_mode & 0o777, len(key.read_text().strip())) == (0o600, 64)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    visitor = Browser(made_app)
    assert visitor.get("/en/whoami").get_json() == {"user": None}
    assert visitor.get("/en/whoami").status_code == 200


def test_two_processes_have_one_key(made_app: Any, tmp_path: Path) -> None:
    other = create_app(made_app.database_name, tmp_path / "data")
    let_go(other)
    assert other.config["SECRET_KEY"] == made_app.config["SECRET_KEY"]


def test_what_an_app_cannot_be_without(
    fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="sessions in the folder"):
        create_app(fresh_database, tmp_path / "file" / "data")
    with Transaction().start(fresh_database, 0):
        Website = Pool().get("nereid.website")
        Website.delete(Website.search([]))
    with pytest.raises(ConfigurationError, match="has no website; make it"):
        create_app(fresh_database, tmp_path / "data")
    query(
        fresh_database, "UPDATE ir_module SET name = 'gone' WHERE name = 'async_test'"
    )
    Pool.stop(fresh_database)
    with pytest.raises(ConfigurationError, match="no Tryton module 'gone' here"):
        create_app(fresh_database, tmp_path / "data")
    monkeypatch.setitem(sys.modules, "nereid", None)
    monkeypatch.delitem(sys.modules, "nereid_async.shop.app")
    with pytest.raises(ConfigurationError, match="Nereid cannot be imported"):
        create_app(fresh_database, tmp_path / "data")


def test_a_site_is_made_once(database: str) -> None:
    from nereid_async.shop.database import create_site

    with Transaction().start(database, 0) as transaction:
        Website = Pool().get("nereid.website")
        assert not create_site("Another")
        Website.delete(Website.search([]))
        with pytest.raises(ConfigurationError, match="code 'xx'"):
            create_site("Another", locale="xx")
        # A locale that is there is kept; a currency is made.
        assert create_site("Another", currency="USD")
        (site,) = Website.search([])
        assert (site.name, site.default_locale.code) == ("Another", "en")
        assert site.company.currency.code == "USD"
        transaction.rollback()


def test_a_database_is_made_once(databases: Databases) -> None:
    from nereid_async.shop.database import activate, create_database, exists

    assert not exists("made_by_a_test")
    assert create_database("made_by_a_test")
    try:
        assert not create_database("made_by_a_test")
        with pytest.raises(ConfigurationError, match="no Tryton module 'no_such'"):
            activate("made_by_a_test", ["no_such"])
    finally:
        databases.drop("made_by_a_test")
