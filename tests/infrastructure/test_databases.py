"""Clones are complete and apart; Nereid serves from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devtools import site
from devtools.apps import bare_app
from devtools.browser import Browser
from tests.helpers import query


def test_this_process_uses_the_backend_of_the_test(backend: str, database: str) -> None:
    import trytond.backend

    assert trytond.backend.name == backend


def test_a_clone_holds_the_site(database: str) -> None:
    names = query(database, "SELECT name FROM nereid_website")
    assert names == [(site.WEBSITE,)]
    tables = query(database, "SELECT count(*) FROM async_task")
    assert tables == [(0,)]


def test_clones_are_apart(database: str, fresh_database: str) -> None:
    query(database, "INSERT INTO async_test_record (name) VALUES (%s)", "here")
    assert query(database, "SELECT name FROM async_test_record") == [("here",)]
    assert query(fresh_database, "SELECT name FROM async_test_record") == []


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_finds_the_tables_empty(database: str, turn: int) -> None:
    assert query(database, "SELECT count(*) FROM async_test_record") == [(0,)]
    query(database, "INSERT INTO async_test_record (name) VALUES (%s)", str(turn))


@pytest.fixture
def site_app(database: str, tmp_path: Path) -> Any:
    app = bare_app(database, tmp_path)
    app.initialise()
    return app


def test_a_visitor_logs_in_and_out(site_app: Any) -> None:
    browser = Browser(site_app)
    assert browser.get("/en/nothing").text == "nothing"
    assert browser.get("/en/").text == f"home of {site.WEBSITE}"
    assert browser.get("/en/account").status_code in (302, 401)
    browser.log_in("ada@example.com")
    browser.log_out()


def test_csrf_protection_is_on(site_app: Any) -> None:
    browser = Browser(site_app)
    assert browser.client.post("/en/nothing").status_code == 400
    assert browser.post("/en/nothing").status_code == 200
