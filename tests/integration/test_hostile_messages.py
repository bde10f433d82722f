"""Somebody can write to the queue, or to the rows: nothing of theirs runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.messages import signer_of
from nereid_async.messages.serialization import dumps, loads
from nereid_async.messages.signing import Signer
from nereid_async.runtime import of_database
from tests.fixtures.scripts import ConfWriter, Script
from tests.fixtures.services import TaskQueue, sqs_settings
from tests.helpers import labels, query, states

Hostile = Callable[[bool], None]

#: What an attacker would change in a message.
CHANGES: list[dict[str, Any]] = [
    {"id": "00000000-0000-8000-8000-000000000001"},
    {"database": "another"},
    {"user": 0},
    {"context": {"_check_access": False}},
    {"args": ["forged"]},
    {"kwargs": {"label": "forged"}},
    {
        "target": {
            "kind": "model",
            "owner": "res.user",
            "method": "delete",
            "instance": 1,
        }
    },
    {
        "target": {
            "kind": "function",
            "owner": "os",
            "method": "system",
            "instance": None,
        },
        "args": ["touch forged"],
    },
    {"outbox": False},
    {"max_attempts": 1_000},
    {"queue": "another"},
    {"format": 2},
    {"web": {"website": 1, "locale": 1, "language": "en", "base_url": "http://x/"}},
]


def forgeries(body: str, database: str) -> list[str]:
    """Messages made of one that is right, by somebody without the key."""
    payload, _, signature = body.rpartition(".")
    content = loads(payload)
    made = []
    for change in CHANGES:
        changed = dumps({**content, **change})
        made.append(f"{changed}.{signature}")
        made.append(Signer([b"a guess"], "message").sign(changed))
        # Signed with the right key, but as something else.
        made.append(
            Signer(of_database(database).settings.signing_key, "reply").sign(changed)
        )
        made.append(changed)
    return made


class TestInTheQueue:
    @pytest.fixture
    def broker_settings(self, ministack: str) -> dict[str, str]:
        return sqs_settings(ministack)

    def test_forged_messages(
        self,
        script: Script,
        database: str,
        tryton_conf: ConfWriter,
        queue: TaskQueue,
        hostile: Hostile,
    ) -> None:
        # Not kept for a worker that may know the key.
        tryton_conf(unknown_grace=0)
        with script.transaction():
            script.record.write_entry.defer("right")
        ((body,),) = query(database, "SELECT message FROM async_task")
        made = forgeries(body, database)
        for forgery in made:
            queue.put(forgery)
        script.burst()
        ran = labels(database)
        for _ in made:
            hostile(ran != ["right"])
        assert states(database) == ["done"]
        # Those that say they are another database's, with a signature that may be its.
        anothers = [it for it in made if '"database":"another"' in it and "}." in it]
        assert queue.left() == len(anothers)

    def test_a_message_of_another_database_with_the_same_key(
        self, script: Script, database: str, queue: TaskQueue, hostile: Hostile
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("ours")
        ((body,),) = query(database, "SELECT message FROM async_task")
        signer = signer_of(database)
        content = loads(signer.unsign(body))
        foreign = {**content, "database": "another", "args": ["theirs"]}
        queue.put(signer.sign(dumps(foreign)))
        script.burst()
        hostile(labels(database) != ["ours"])


@pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
class TestInTheRows:
    def test_forged_messages(
        self, script: Script, database: str, tryton_conf: ConfWriter, hostile: Hostile
    ) -> None:
        tryton_conf(unknown_grace=0)
        with script.transaction():
            script.record.write_entry.defer("right")
        ((body,),) = query(database, "SELECT message FROM async_task")
        made = forgeries(body, database)
        with script.transaction():
            ids = [script.record.write_entry.defer("x").id for _ in made]
        for id, forgery in zip(ids, made, strict=True):
            query(
                database,
                "UPDATE async_task SET message = %s WHERE uuid = %s",
                forgery,
                id,
            )
        script.burst()
        ran = labels(database)
        for _ in made:
            hostile(ran != ["right"])
        assert states(database) == ["done"] + ["failed"] * len(made)

    def test_a_message_under_another_id(
        self, script: Script, database: str, hostile: Hostile
    ) -> None:
        """Rightly signed, and copied into the row of another task."""
        with script.transaction():
            first = script.record.write_entry.defer("first")
            second = script.record.write_entry.defer("second")
        rows = dict(query(database, "SELECT uuid, message FROM async_task"))
        query(
            database,
            "UPDATE async_task SET message = %s WHERE uuid = %s",
            rows[first.id],
            second.id,
        )
        script.burst()
        hostile(labels(database) != ["first"])
        assert states(database) == ["done", "failed"]
