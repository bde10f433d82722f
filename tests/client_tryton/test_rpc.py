"""What others than the web client get over JSON-RPC, by the rights of their user."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests
from trytond.pool import Pool
from trytond.transaction import Transaction

from devtools.site import CLERK, PASSWORD
from tests.fixtures.scripts import Script

pytestmark = [
    pytest.mark.backends("postgresql"),
    pytest.mark.parametrize("broker_settings", ["database"], indirect=True),
]


class Client:
    """A user's session."""

    def __init__(self, url: str, login: str) -> None:
        self._url = url.replace("#", "") + "/"
        self._headers: dict[str, str] = {}
        answer = self._post("common.db.login", [login, {"password": PASSWORD}])
        user, session = answer["result"][:2]
        text = f"{login}:{user}:{session}".encode()
        self._headers = {"Authorization": f"Session {base64.b64encode(text).decode()}"}

    def _post(self, method: str, params: list[Any]) -> Any:
        body: Any = {"id": 0, "method": method, "params": params}
        answer = requests.post(self._url, json=body, headers=self._headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def call(self, method: str, *params: Any, **context: Any) -> Any:
        return self._post(method, [*params, context])["result"]

    def error(self, method: str, *params: Any, **context: Any) -> str:
        """The kind of error that a call answers with; empty for none."""
        answer = self._post(method, [*params, context])
        return answer["error"][0] if "error" in answer else ""


def test_rights_over_json_rpc(script: Script, client_url: str) -> None:
    with script.transaction():
        script.record.fail.configure(max_attempts=1).defer("x")
    script.burst()
    with Transaction().start(script.database, 1):
        (task,) = Pool().get("async.task").search([])
        queue = Pool().get("async.queue.status").search([])[0]
        stored = [
            name
            for name, model in Pool().iterobject()
            if name.startswith("async.") and "search" in model.__rpc__
        ]
        buttons = [("async.task", it, task.id) for it in ("retry", "cancel", "run_now")]
        buttons += [("async.queue.status", it, queue.id) for it in ("pause", "resume")]
        wizards = [
            name
            for name, _ in Pool().iterobject(type="wizard")
            if name.startswith("async.")
        ]
        reports = [
            name
            for name, _ in Pool().iterobject(type="report")
            if name.startswith("async.")
        ]
        (clerk,) = Pool().get("res.user").search([("login", "=", CLERK)])
        group = Pool().get("ir.model.data").get_id("async_sqs", "group_reader")
    assert {"async.task", "async.attempt", "async.hour"} <= set(stored)
    assert "async.task.act_on_many" in wizards
    about = {"active_model": "async.task", "active_id": task.id}
    about["active_ids"] = [task.id]
    nobody = Client(client_url, CLERK)
    menus = [("name", "in", ["Administration", "Asynchronous Tasks", "Tasks"])]
    assert nobody.call("model.ir.ui.menu.search", menus, 0, None, None) == []
    toolbar = nobody.call("model.party.party.view_toolbar_get")
    assert all(it["res_model"] != "async.task" for it in toolbar["relate"])
    refused = {"AccessError", "AccessButtonError", "UserError"}
    for name in stored:
        search = nobody.error(f"model.{name}.search", [], 0, None, None)
        assert search in refused, name
        assert nobody.error(f"model.{name}.search_count", []) in refused, name
        assert nobody.error(f"model.{name}.read", [1], ["id"]) in refused, name
        export = nobody.error(f"model.{name}.export_data", [1], ["id"])
        assert export in refused, name
    for name, button, row in buttons:
        assert nobody.error(f"model.{name}.{button}", [row]) in refused, button
    for name in wizards:
        assert nobody.error(f"wizard.{name}.create", **about) in refused, name
    assert reports == []
    # Over RPC, as well: another process would notice a change of groups late.
    admin = Client(client_url, "admin")
    admin.call("model.res.user.write", [clerk.id], {"groups": [["add", [group]]]})
    reader = Client(client_url, CLERK)
    for name in stored:
        if name != "async.identity":
            reader.call(f"model.{name}.search", [], 0, None, None)
    (read,) = reader.call("model.async.task.read", [task.id], ["status", "failure"])
    assert (read["status"], read["failure"]) == ("failed", "ValueError: x")
    for name in ("arguments", "message", "returned", "result"):
        error = reader.error("model.async.task.read", [task.id], [name])
        assert error in refused, name
    for name, button, row in buttons:
        assert reader.error(f"model.{name}.{button}", [row]) in refused, button
    for name in wizards:
        assert reader.error(f"wizard.{name}.create", **about) in refused, name
    with Transaction().start(script.database, 1):
        assert Pool().get("async.task")(task.id).status == "failed"
    admin.call("model.res.user.write", [clerk.id], {"groups": [["remove", [group]]]})
