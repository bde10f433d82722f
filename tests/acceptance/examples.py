"""A folder of examples/, with the blocks of its README."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import requests

from devtools.databases import PROJECT
from devtools.processes import listens
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


def count_models(app: Example) -> None:
    """Use the page that counts models; the worker starts when a task waits."""
    root = app.serve()
    visitor, stranger = requests.Session(), requests.Session()
    page = visitor.get(f"{root}/", timeout=60)
    form = {"module": "res"}
    for token in re.findall('name="csrf_token" value="([^"]+)"', page.text):
        form["csrf_token"] = token
    page = visitor.post(f"{root}/", data=form, timeout=60)
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
