"""What README.rst shows, taken word by word into an empty folder, works."""

from __future__ import annotations

import re
import signal

from playwright.sync_api import expect

from devtools.databases import PROJECT
from devtools.processes import listens
from tests.acceptance.own_shop import OwnShop
from tests.fixtures.chromium import NewContext
from tests.marks import in_another_process
from tests.samples import samples

SAMPLES = samples(PROJECT / "README.rst")
FILES = [
    "pyproject.toml",
    "shop/tryton.cfg",
    "shop/__init__.py",
    "shop/templates/home.jinja",
    "trytond.conf",
    "app.py",
]
(MAKE,) = (name for name in SAMPLES if name.startswith("make"))


@in_another_process
def test_the_first_success(own_shop: OwnShop, new_context: NewContext) -> None:
    own_shop.write_all(SAMPLES, *FILES)
    own_shop.run(SAMPLES["set up"])
    assert (own_shop.path / "shop.sqlite").stat().st_size > 0
    worker = own_shop.start(SAMPLES["worker"])
    server = own_shop.start(SAMPLES["serve"])
    server.wait_until(lambda: listens(own_shop.port), "it listens", 60)
    page = new_context(base_url=f"http://127.0.0.1:{own_shop.port}").new_page()
    page.goto("/")
    expect(page.get_by_text(re.compile(r"Month \d+"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text('"year": 2026')).to_be_visible(timeout=60_000)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0, worker.output


def test_commands_and_extras_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = re.findall(r"^make ([a-z-]+)", SAMPLES[MAKE], re.M)
    assert targets
    for target in targets:
        assert re.search(rf"^{target}\b.*:", makefile, re.M), target
    pyproject = (PROJECT / "pyproject.toml").read_text()
    (extra,) = re.findall(r"nereid_async\[(.*)\]", SAMPLES["install"])
    assert f"\n{extra} = [" in pyproject


def test_each_block_is_tried() -> None:
    # "sqs" is tried where the tutorial is.
    tried = {*FILES, "set up", "worker", "serve", "install", "sqs", MAKE}
    assert set(SAMPLES) == tried
