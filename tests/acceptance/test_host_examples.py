"""Each folder of examples/ does what its README says, in processes of its own.

Nereid is not needed: these run on each series of Tryton.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from devtools.databases import PROJECT
from devtools.processes import listens
from nereid_async import versions
from tests.acceptance.own_shop import OwnShop
from tests.helpers import wait_until
from tests.samples import samples

EXAMPLES = PROJECT / "examples"


class Example(OwnShop):
    """A copy of an example's folder, with the blocks of its README.

    :param name: of the folder.
    """

    def __init__(self, name: str, path: Path, stack: ExitStack) -> None:
        super().__init__(path, stack)
        self.env["TRYTOND_WEB__LISTEN"] = f"localhost:{self.port}"
        shutil.copytree(EXAMPLES / name, path)
        self.blocks = samples(path / "README.rst")

    def serve(self) -> str:
        """Start the block "serve"; returns the root of its URLs."""
        server = self.start(self.blocks["serve"])
        server.wait_until(lambda: listens(self.port), "it listens", 60)
        return f"http://localhost:{self.port}"


Start = Callable[[str], Example]


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Start]:
    """Copies an example, by its name, into a folder of the test."""
    with ExitStack() as stack:
        yield lambda name: Example(name, tmp_path / name, stack)


def test_flask_tryton(example: Start) -> None:
    app = example("flask_tryton")
    app.run(app.blocks["set up"])
    root = app.serve()
    visitor, stranger = requests.Session(), requests.Session()
    page = visitor.post(f"{root}/", data={"module": "res"}, timeout=60)
    assert page.status_code == 200, page.text
    (uuid,) = re.findall('<async-result uuid="([^"]+)"', page.text)
    url = f"{root}/async/result/{uuid}"
    assert visitor.get(url, timeout=60).json()["state"] == "pending"
    app.start(app.blocks["run a worker"])
    wait_until(lambda: visitor.get(url, timeout=60).status_code == 200, timeout_s=60)
    result = visitor.get(url, timeout=60).json()["result"]
    assert result["models"] > 1
    assert result["page"] == f"{root}/"
    assert "script" in visitor.get(f"{root}/async/client.js", timeout=60).headers[
        "Content-Type"
    ]  # fmt: skip
    for session in (stranger, requests):
        assert session.get(url, timeout=60).status_code == 404
    assert stranger.delete(url, timeout=60).status_code == 404
    assert visitor.delete(url, timeout=60).status_code == 204


class Client:
    """A client of Tryton, logged in as the administrator."""

    def __init__(self, root: str, password: str) -> None:
        # Tryton 8.0 has moved it.
        below = "" if versions.series() == "7.0" else "rpc/"
        self._url = f"{root}/tryton/{below}"
        self._auth = ("admin", password)

    def call(self, method: str, *parameters: Any) -> Any:
        """Call a method by JSON-RPC."""
        body: dict[str, Any] = {"id": 1, "method": method, "params": list(parameters)}
        answer = requests.post(self._url, json=body, auth=self._auth, timeout=60)
        assert answer.ok, answer.text
        assert "error" not in answer.json(), answer.text
        return answer.json()["result"]

    def counts(self, model: str) -> list[int | None]:
        """What is counted of a model."""
        found = self.call(
            "model.plain_tryton.count.search_read",
            [["name", "=", model]],
            0,
            None,
            None,
            ["records"],
            {},
        )
        return [it["records"] for it in found]


def test_plain_tryton(example: Start) -> None:
    """By RPC, by a wizard, and by the schedule."""
    server = example("plain_tryton")
    server.run(server.blocks["install the module"])
    server.run(server.blocks["set up"])
    server.run(server.blocks["make a key"])
    root = server.serve()
    client = Client(root, (server.path / "password").read_text().strip())
    server.start(server.blocks["run a worker"])

    def create(model: str) -> int:
        values = [{"name": model}]
        (made,) = client.call("model.plain_tryton.count.create", values, {})
        return int(made)

    by_rpc = create("ir.lang")
    client.call("model.plain_tryton.count.recount", [by_rpc], {})
    wait_until(lambda: None not in client.counts("ir.lang"), timeout_s=60)
    create("res.user")
    wizard = "wizard.plain_tryton.count_all"
    session, start, _ = client.call(f"{wizard}.create", {})
    client.call(f"{wizard}.execute", session, {}, start, {})
    wait_until(lambda: None not in client.counts("res.user"), timeout_s=60)
    create("ir.model")
    (cron,) = client.call(
        "model.ir.cron.search", [["method", "=", "plain_tryton.count|recount_all"]],
        0, None, None, {},
    )  # fmt: skip
    client.call("model.ir.cron.run_once", [cron], {})
    wait_until(lambda: None not in client.counts("ir.model"), timeout_s=60)
