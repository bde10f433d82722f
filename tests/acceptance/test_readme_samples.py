"""What README.rst shows, taken word by word into an empty folder, works."""

from __future__ import annotations

import configparser
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from devtools.databases import PROJECT, Databases
from devtools.processes import Process, free_port, listens
from devtools.site import PASSWORD
from tests.fixtures.chromium import NewContext
from tests.fixtures.services import sqs_settings
from tests.samples import samples

SAMPLES = samples(PROJECT / "README.rst")
(MAKE,) = (name for name in SAMPLES if name.startswith("make"))
(INSTALL,) = (name for name in SAMPLES if name.startswith("pip"))

#: What the shop has besides: the rest of its module, which is installed.
FRAME = {
    "shop_module/tryton.cfg": """\
[tryton]
version=7.0.0
depends:
    party
    nereid_base
    async_sqs
""",
    "shop_module/__init__.py": """\
from trytond.pool import Pool

def register():
    from . import pages, party
    Pool.register(
        party.Party, pages.Party, pages.Pages, module='shop', type_='model')
""",
    "shop_module/pages.py": """\
import time
from pathlib import Path

from nereid import render_template, route
from trytond.model import Model
from trytond.pool import Pool, PoolMeta

class Party(metaclass=PoolMeta):
    __name__ = 'party.party'

    @classmethod
    def search_count(cls, *args, **options):
        # It takes until the browser has shown how far it is.
        while not Path('seen').exists():
            time.sleep(0.05)
        return super().search_count(*args, **options)

class Pages(Model):
    'Pages'
    __name__ = 'shop.pages'

    @classmethod
    @route('/sample')
    def sample(cls):
        return render_template('report.jinja')

    @classmethod
    @route('/element', readonly=False)
    def element(cls):
        report = Pool().get('party.party').report.defer(2026)
        return render_template('element.jinja', report=report)
""",
    "shop-1.dist-info/METADATA": "Name: shop\nVersion: 1\n",
    "shop-1.dist-info/entry_points.txt": "[trytond.modules]\nshop = shop_module\n",
}


class Shop:
    """A folder with the files of the shop, and a shell in it.

    :param path: the folder.
    :param env: of all that runs in it.
    """

    def __init__(self, path: Path, env: dict[str, str], stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self.port = free_port()
        self._env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(path),
            "FLASK_RUN_PORT": str(self.port),
            **env,
        }

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        file = self._path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)

    def run(self, script: str) -> None:
        """Run a script of the shell to its end."""
        process = self._start(script)
        assert process.wait(180) == 0, process.output

    def start(self, script: str) -> Process:
        """Start a script of the shell; its last command gets the signals."""
        *before, last = script.splitlines()
        return self._start("\n".join([*before, f"exec {last}"]))

    def _start(self, script: str) -> Process:
        log = self._path / f"{len(list(self._path.glob('*.log')))}.log"
        return self._stack.enter_context(
            Process(["bash", "-ec", script], log, env=self._env, cwd=self._path)
        )


@pytest.fixture(params=["database", "sqs"])
def tutorial(
    request: pytest.FixtureRequest,
    databases: Databases,
    trytond_conf: Callable[..., Path],
    tmp_path: Path,
) -> Iterator[Shop]:
    """What the page shows, each block in its file; the database is up to date."""
    env, sections = {}, ""
    if request.param == "sqs":
        # What AWS's own environment says is none of the page's matter.
        env = environment(sqs_settings(request.getfixturevalue("ministack")))
        sections = SAMPLES["trytond.conf"]
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    databases.clone("shop")
    with ExitStack() as stack:
        stack.callback(databases.drop, "shop")
        made = Shop(tmp_path, {"TRYTONPASSFILE": str(password), **env}, stack)
        conf = trytond_conf()
        made.write("trytond.conf", f"{conf.read_text()}\n{sections}")
        for name, text in FRAME.items():
            made.write(name, text)
        made.write("shop.py", SAMPLES["shop.py"])
        made.write("shop_module/party.py", SAMPLES["party.py"])
        for name in ("report.jinja", "element.jinja"):
            made.write(f"shop_module/templates/{name}", SAMPLES[name])
        made.run(SAMPLES["set up"])
        yield made


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Settings as variables; not those that the page's own sample has."""
    given = configparser.ConfigParser()
    given.read_string(SAMPLES["trytond.conf"])
    return {
        f"TRYTOND_ASYNC_SQS__{name.upper()}": value
        for name, value in settings.items()
        if name not in given["async_sqs"]
    }


@pytest.mark.backends("sqlite")
def test_the_first_app(tutorial: Shop, new_context: NewContext) -> None:
    server = tutorial.start(SAMPLES["serve"])
    server.wait_until(lambda: listens(tutorial.port), "it listens", 60)
    page = new_context(base_url=f"http://127.0.0.1:{tutorial.port}").new_page()
    # Nobody works yet: the first answers say that it waits.
    with page.expect_response("**/async/result/*") as answer:
        page.goto("/en/sample")
    assert answer.value.json()["state"] == "pending"
    worker = tutorial.start(SAMPLES["run a worker"])
    page.wait_for_function("bar.value > 0", timeout=60_000)
    tutorial.write("seen", "")
    expect(page).to_have_title(re.compile(r"2026: \d+"), timeout=30_000)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0, worker.output
    for line in SAMPLES["two workers"].splitlines():
        # With all options that it may have.
        command = re.sub("[][]", "", line)
        worker = tutorial.start(f"export TRYTOND_CONFIG=trytond.conf\n{command}")
        if "--burst" not in line:
            page.goto("/en/element")
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
    (extra,) = re.findall(r"nereid_async\[(.*)\]", SAMPLES[INSTALL])
    assert f"\n{extra} = [" in pyproject


def test_each_block_is_tried() -> None:
    assert set(SAMPLES) == {
        "party.py", "shop.py", "set up", "run a worker", "serve", "report.jinja",
        "element.jinja", "two workers", "trytond.conf", MAKE, INSTALL,
    }  # fmt: skip
