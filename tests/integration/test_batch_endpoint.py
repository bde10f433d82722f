"""/async/result/<batch id>: its progress and end, for its owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.browser import Browser
from tests.helpers import labels

Burst = Callable[[], None]


def begin(client: Browser, *members: str, **order: Any) -> dict[str, Any]:
    """Let a view begin a batch."""
    answer = client.post("/en/begin-batch", json={"labels": members, **order})
    assert answer.status_code == 202, answer.text
    return dict(answer.json)


def test_the_owner_watches_it_grow(
    client: Browser, burst: Burst, app: Any, database: str
) -> None:
    batch = begin(client, "a", "b")
    answer = client.get(batch["url"])
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "1")
    progress = {"done": 0, "total": 2, "message": None, "failed": 0}
    assert answer.json == {
        "id": batch["id"],
        "state": "running",
        "progress": progress,
    }
    assert Browser(app).get(batch["url"]).status_code == 404
    assert client.delete(batch["url"]).status_code == 409
    burst()
    counts = {"done": 2, "failed": 0, "cancelled": 0}
    for _ in range(2):
        answer = client.get(batch["url"])
        assert answer.status_code == 200
        assert answer.json == {"id": batch["id"], "state": "done", "result": counts}
    assert Browser(app).get(batch["url"]).status_code == 404
    assert client.delete(batch["url"]).status_code == 204
    assert client.get(batch["url"]).status_code == 410
    assert sorted(labels(database)) == ["a", "b", "then"]


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_only_a_cancellable_one_is_cancelled(
    client: Browser, burst: Burst, app: Any, database: str
) -> None:
    shared = begin(client, "x", options={"shared": True}, delay=600)
    assert Browser(app).get(shared["url"]).json["state"] == "running"
    assert client.delete(shared["url"]).status_code == 409
    batch = begin(client, "a", "b", options={"cancellable": True}, delay=600)
    assert Browser(app).delete(batch["url"]).status_code == 404
    answer = client.delete(batch["url"])
    assert (answer.status_code, answer.json["state"]) == (202, "running")
    answer = client.get(batch["url"])
    assert answer.json == {"id": batch["id"], "state": "cancelled"}
    burst()
    assert labels(database) == []
