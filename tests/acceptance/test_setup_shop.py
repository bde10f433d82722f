"""``nereid-async setup-shop``: what it refuses, and that it may be called again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import PATH, Commands
from tests.helpers import query

#: A shop's app.py, by the name of its database.
APP = """\
from nereid_async.shop import create_app
app = create_app({!r}, "data")
"""


@pytest.fixture
def commands(
    cloned_database: str, trytond_conf: Callable[..., Path], tmp_path: Path
) -> Iterator[Commands]:
    with ExitStack() as stack:
        yield Commands(cloned_database, trytond_conf(), tmp_path, stack)


@pytest.mark.backends("sqlite")
def test_what_cannot_be_is_told_in_a_line(commands: Commands) -> None:
    database = commands.database
    setup = ("nereid-async", "setup-shop", "-c", commands.conf, "-d", database)
    process = commands.start(*setup, "-u", "no_such_module")
    assert process.wait(60) == 1
    assert "no Tryton module 'no_such_module'" in process.output
    assert "Traceback" not in process.output
    # The database has a website already, which is kept.
    output = commands.run(commands.start(*setup), 120)
    assert "created" not in output
    assert "Warning" not in output


@pytest.mark.backends("sqlite")
def test_slips_of_a_first_day(commands: Commands, tmp_path: Path) -> None:
    """The shell has no TRYTOND_CONFIG, or the file is none, or leads nowhere."""
    (tmp_path / "app.py").write_text(APP.format("shop"))
    no_file = commands.start(
        "nereid-async", "setup-shop", "-d", "shop", TRYTOND_CONFIG="", HOME="/nowhere"
    )
    not_made = commands.start(
        *("nereid-async", "status", "-d", "shop"), TRYTOND_CONFIG="", HOME="/nowhere"
    )
    (tmp_path / "bad.conf").write_text("nonsense")
    bad_file = commands.start(
        *("nereid-async", "setup-shop", "-d", "shop"), TRYTOND_CONFIG="bad.conf"
    )
    bad_to_flask = commands.start("flask", "run", TRYTOND_CONFIG="bad.conf")
    bad_options = [
        commands.start("nereid-async", "setup-shop", "-d", "not_yet", *options)
        for options in (("--language", "xx"), ("--currency", "EURO"))
    ]
    (tmp_path / "nowhere.conf").write_text(
        "[database]\nuri = postgresql://127.0.0.1:1/\n"
    )
    no_server = commands.start("flask", "run", TRYTOND_CONFIG="nowhere.conf")
    way_out = "no trytond.conf says where it is: set TRYTOND_CONFIG, or give -c"
    for process, text in (
        (no_file, "database /nowhere/db/shop.sqlite: No such file or directory;"),
        (no_file, way_out),
        (not_made, way_out),
        (bad_file, "trytond.conf: File contains no section headers"),
        (bad_to_flask, "Error: trytond.conf: File contains no section headers"),
        (bad_options[0], "no language with the code 'xx'"),
        (bad_options[1], "'EURO' is no ISO code of a currency"),
        (no_server, "Error: database 'shop': connection to server at"),
    ):
        assert process.wait(60) == 1
        assert text in process.output
        assert "Traceback" not in process.output
    assert not list(tmp_path.rglob("not_yet*"))


def test_an_app_on_a_database_that_setup_shop_has_not_made(
    commands: Commands, tmp_path: Path
) -> None:
    query(
        commands.database,
        "UPDATE ir_module SET state = 'not activated' WHERE name NOT IN ('ir', 'res')",
    )
    (tmp_path / "none.py").write_text(APP.format("no_such"))
    (tmp_path / "other.py").write_text(APP.format(commands.database))
    none = "database 'no_such' does not exist; make it, or update it: nereid-async"
    lacks = (
        f"database {commands.database!r} lacks the model 'nereid.user', whose module"
    )
    gunicorn = ("gunicorn", "--bind=127.0.0.1:0")
    for process, text in [
        (commands.start("flask", "--app", "other", "async", "worker"), lacks),
        (commands.start("flask", "--app", "none", "run"), none),
        (commands.start(*gunicorn, "none:app"), none),
        (commands.start(*gunicorn, "--preload", "other:app"), lacks),
    ]:
        assert process.wait(60) != 0
        assert text in process.output
        assert "setup-shop -d " in process.output
        assert "Traceback" not in process.output


@pytest.mark.backends("postgresql")
def test_what_postgresql_lacks(commands: Commands, tmp_path: Path) -> None:
    setup = ("nereid-async", "setup-shop", "-d", "not_yet")
    hidden = tmp_path / "hidden" / "sitecustomize.py"
    hidden.parent.mkdir()
    hidden.write_text("import sys\nsys.modules['psycopg2'] = None\n")
    path = f"{hidden.parent}:{PATH['PYTHONPATH']}"
    no_driver = commands.start(*setup, PYTHONPATH=path)
    query(
        commands.database,
        "DO $$ BEGIN CREATE ROLE no_maker LOGIN; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    (uri,) = re.findall("^uri = (.*)$", commands.conf.read_text(), re.MULTILINE)
    commands.connect_to(re.sub("//.*@", "//no_maker@", uri))
    no_right = commands.start(*setup)
    (tmp_path / "other.py").write_text(
        "from flask import Flask\nfrom flask_tryton import Tryton\n"
        "from nereid_async import NereidAsync\napp = Flask(__name__)\n"
        "app.config.update(TRYTON_DATABASE='postgres', SECRET_KEY='0123456789abcdef')\n"
        "Tryton(app)\nNereidAsync(app)\n"
    )
    no_tryton = commands.start("flask", "--app", "other", "async", "worker")
    for process, text in (
        (no_driver, "pip install 'nereid_async[postgresql]'"),
        (no_right, "'not_yet': permission denied to create database; let an admin"),
        (
            no_tryton,
            "it has no Tryton in it, or not this version; make it, or update it",
        ),
    ):
        assert process.wait(60) == 1
        assert text in process.output
        assert "Traceback" not in process.output
