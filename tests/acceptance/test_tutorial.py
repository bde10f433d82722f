"""The tutorial, walked word by word in an empty folder."""

from __future__ import annotations

import configparser
import signal

import pytest
from playwright.sync_api import Page, expect

from devtools.databases import PROJECT, Databases
from devtools.processes import Process, free_port, listens
from tests.acceptance.own_shop import OwnShop
from tests.acceptance.test_readme_samples import SAMPLES as README
from tests.fixtures.chromium import NewContext
from tests.fixtures.services import sqs_settings
from tests.marks import in_another_process
from tests.samples import samples

SAMPLES = samples(PROJECT / "docs" / "tutorial" / "first-shop.rst")
FILES = [
    "pyproject.toml",
    "shop/tryton.cfg",
    "shop/__init__.py",
    "shop/pages.py",
    "shop/templates/home.jinja",
    "shop/templates/report.jinja",
    "app.py",
    "test_shop.py",
]
SHELL = ["environment", "set up", "mail server", "worker", "serve", "status", "test"]


@pytest.fixture
def first_shop(own_shop: OwnShop) -> OwnShop:
    """The folder of the tutorial."""
    before = own_shop.path
    own_shop.run(
        SAMPLES["environment"]
        .replace("python3 -m venv", "mkdir -p")
        .replace(". .venv", "true .venv")
    )
    own_shop.path = before / "first-shop"
    paths = own_shop.env["PYTHONPATH"]
    own_shop.env["PYTHONPATH"] = paths.replace(str(before), str(own_shop.path), 1)
    return own_shop


def on_postgresql(uri: str) -> str:
    """The page's trytond.conf with its other section for the database."""
    section = SAMPLES["postgresql.conf"]
    (ours,) = (line for line in section.splitlines() if line.startswith("uri"))
    rest = SAMPLES["trytond.conf"].partition("\n\n")[2]
    return f"{section.replace(ours, f'uri = {uri}')}\n\n{rest}"


def sqs(endpoint: str) -> dict[str, str]:
    """An emulator's settings as variables; not those that the page has itself."""
    given = configparser.ConfigParser()
    given.read_string(SAMPLES["sqs.conf"])
    assert SAMPLES["sqs.conf"] == README["sqs"]
    return {
        f"TRYTOND_ASYNC_SQS__{name.upper()}": value
        for name, value in sqs_settings(endpoint).items()
        if name not in given["async_sqs"]
    }


@pytest.mark.backends("postgresql")
def test_the_walk(
    first_shop: OwnShop, databases: Databases, ministack: str, new_context: NewContext
) -> None:
    smtp = str(free_port())
    first_shop.write_all(SAMPLES, *FILES)
    conf = on_postgresql(databases.uri).replace("2525", smtp)
    first_shop.write("trytond.conf", conf)
    first_shop.run(SAMPLES["set up"])
    try:
        mail = first_shop.start(SAMPLES["mail server"].replace("2525", smtp))
        context = new_context(base_url=f"http://127.0.0.1:{first_shop.port}")
        ask_for_all(first_shop, context.new_page(), mail, 1)
        # The same on SQS, for which nothing but the settings changes.
        first_shop.env |= sqs(ministack)
        first_shop.write("trytond.conf", f"{conf}\n{SAMPLES['sqs.conf']}")
        ask_for_all(first_shop, context.new_page(), mail, 2)
        assert "QUEUE" in first_shop.run(SAMPLES["status"])
    finally:
        databases.drop("shop")


def ask_for_all(first_shop: OwnShop, page: Page, mail: Process, mails: int) -> None:
    """What the page says to try, in a browser; all ends again."""
    server = first_shop.start(SAMPLES["serve"])
    server.wait_until(lambda: listens(first_shop.port), "it listens", 60)
    page.goto("/")
    page.get_by_role("button", name="Welcome mail").click()
    page.get_by_role("button", name="Report").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    # Only now: what waits is not lost.
    worker = first_shop.start(SAMPLES["worker"])
    expect(page.get_by_text("Total of 2026: 42")).to_be_visible(timeout=60_000)
    subject = "Subject: Welcome to the shop"
    mail.wait_until(lambda: mail.output.count(subject) == mails, "the mail comes", 60)
    for process in (worker, server):
        process.send_signal(signal.SIGINT)
        process.wait(60)


@in_another_process
def test_its_tests(first_shop: OwnShop) -> None:
    first_shop.write_all(SAMPLES, *FILES)
    first_shop.write("trytond.conf", SAMPLES["trytond.conf"])
    first_shop.run(f"pip install -e .\n{SAMPLES['test']}")


def test_each_block_is_tried() -> None:
    conf = configparser.ConfigParser()
    conf.read_string(SAMPLES["postgresql.conf"])
    assert conf["database"]["uri"].startswith("postgresql://")
    assert SAMPLES["install"].startswith(README["install"])
    confs = ["trytond.conf", "postgresql.conf", "sqs.conf"]
    assert set(SAMPLES) == {*FILES, *SHELL, *confs, "install"}
