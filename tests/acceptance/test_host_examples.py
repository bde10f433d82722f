"""Examples that need no Nereid, on each series of Tryton: as their README says."""

from __future__ import annotations

from typing import Any

import requests

from nereid_async import versions
from tests.acceptance.conftest import Start
from tests.acceptance.examples import count_models
from tests.helpers import wait_until


def test_flask_tryton(example: Start) -> None:
    app = example("flask_tryton")
    app.run(app.blocks["set up"])
    count_models(app)


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
