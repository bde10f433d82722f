"""Keys: one is one, whatever is in it; and those of before are still accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.apps import SECRET_KEY
from devtools.browser import Browser
from devtools.workers import burst
from nereid_async.messages.serialization import dumps, loads
from nereid_async.messages.signing import Signer
from tests.fixtures.apps import AppFactory
from tests.helpers import labels, query
from tests.marks import ONE_DATABASE

Hostile = Callable[[bool], None]

#: A key as os.urandom() may make it: with white space, and little between.
BINARY_KEY = b"\x01 \x02\n\x03\t0123456789abcdef"


@ONE_DATABASE
@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
def test_no_piece_of_a_binary_key_signs(
    app_factory: AppFactory,
    broker_config: dict[str, str],
    database: str,
    hostile: Hostile,
) -> None:
    app = app_factory(
        **broker_config, ASYNC_SIGNING_KEY=BINARY_KEY, ASYNC_UNKNOWN_GRACE=0
    )
    Browser(app).defer("write_entry", "right")
    ((text,),) = query(database, "SELECT message FROM async_task")
    content = loads(text.rpartition(".")[0])
    for piece in BINARY_KEY.split():
        forged = dumps({**content, "user": 0, "args": ["forged"]})
        message = Signer([piece], "message").sign(forged)
        query(database, "UPDATE async_task SET message = %s", message)
        burst(app)
        hostile("forged" in labels(database))
        query(database, "UPDATE async_task SET state = 'pending'")
    query(database, "UPDATE async_task SET message = %s", text)
    burst(app)
    assert labels(database) == ["right"]


@ONE_DATABASE
@pytest.mark.parametrize("done_before", [True, False])
def test_after_a_rotation_of_the_secret_key_as_flask_does_it(
    app: Any,
    client: Browser,
    app_factory: AppFactory,
    broker_config: dict[str, str],
    done_before: bool,
) -> None:
    """What waits runs, and what was asked for before is there."""
    task = client.defer("echo", "the value")
    if done_before:
        burst(app)
    after = app_factory(
        **broker_config,
        SECRET_KEY="the-key-after-the-rotation",
        SECRET_KEY_FALLBACKS=[SECRET_KEY],
    )
    if not done_before:
        burst(after)
    visitor = Browser(after)
    visitor.jar.update(client.jar)
    assert visitor.get(task["url"]).json["result"] == "the value"
