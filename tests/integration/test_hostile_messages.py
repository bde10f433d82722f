"""Somebody can write to the queue, or to the rows: nothing of theirs runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


#: The same of a pointer, besides its id.
POINTER_CHANGES: list[dict[str, Any]] = [
    {"id": "00000000-0000-8000-8000-000000000001"},
    {"database": "another"},
    {"identity": None},
    {"queue": "another"},
    {"name": "os.system"},
    {"max_attempts": 1_000},
    {"keep_result": False},
    {"outbox": False, "args": ["forged"]},
    *({"format": number} for number in (1, 2, 4, "3", None)),
]


def forgeries(
    body: str, database: str, changes: Sequence[dict[str, Any]] = CHANGES
) -> list[str]:
    """Messages made of one that is right, by somebody without the key."""
    payload, _, signature = body.rpartition(".")
    content = loads(payload)
    made = []
    for change in changes:
        changed = dumps({**content, **change})
        made.append(f"{changed}.{signature}")
        made.append(Signer([b"a guess"], "message").sign(changed))
        # Signed with the right key, but as something else.
        made.append(
            Signer(of_database(database).settings.signing_key, "reply").sign(changed)
        )
        made.append(changed)
    return made


def signed(database: str, body: str, changes: dict[str, Any]) -> str:
    """A message made of another one by somebody who has our key."""
    signer = signer_of(database)
    return signer.sign(dumps({**loads(signer.unsign(body)), **changes}))


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

    def test_forged_pointers(
        self,
        script: Script,
        database: str,
        tryton_conf: ConfWriter,
        queue: TaskQueue,
        hostile: Hostile,
    ) -> None:
        """They name a task that has run, one that waits, and one that has failed."""
        tryton_conf(unknown_grace=0)
        with script.transaction():
            done = script.record.write_entry.defer("right")
            failed = script.record.fail.defer("x")
        (body,) = [it for it in queue.bodies() if done.id in it]
        script.burst()
        assert len(queue.dead()) == 1
        with script.transaction():
            later = script.record.write_entry.configure(delay=800).defer("later")
        states_of = "SELECT uuid, state FROM async_task"
        expected = {done.id: "done", failed.id: "failed"}
        ids = [{"id": it.id} for it in (done, failed, later)]
        made = forgeries(body, database, [*POINTER_CHANGES, *ids])
        for forgery in made:
            queue.put(forgery)
        script.burst()
        ran = labels(database)
        for _ in made:
            hostile(ran != ["right"])
        found = dict(query(database, states_of))
        # That one may be sent again, and waits all the same.
        assert found.pop(later.id) in ("pending", "sent")
        assert found == expected

    def test_a_pointer_of_another_database_with_the_same_key(
        self, script: Script, database: str, queue: TaskQueue, hostile: Hostile
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("ours")
        (body,) = queue.bodies()
        queue.client.purge_queue(QueueUrl=queue.url())
        # Its own database, and a copy of ours: each has a row of that id.
        queue.put(signed(database, body, {"database": "another"}))
        queue.put(signed(database, body, {"identity": "another"}))
        script.burst()
        hostile(labels(database) != [])
        assert states(database) in (["pending"], ["sent"])
        assert queue.left() == 2

    def test_a_pointer_to_another_queue(
        self, script: Script, database: str, queue: TaskQueue, hostile: Hostile
    ) -> None:
        """Copied by somebody who may write to this queue, and read that one."""
        with script.transaction():
            script.record.write_entry.defer("x")
        (body,) = queue.bodies()
        queue.client.purge_queue(QueueUrl=queue.url())
        queue.put(signed(database, body, {"queue": "another"}))
        script.burst()
        hostile(labels(database) != [])
        assert states(database) in (["pending"], ["sent"])
        assert len(queue.dead()) == 1

    def test_a_pointer_that_is_kept_and_put_again(
        self, script: Script, database: str, queue: TaskQueue, hostile: Hostile
    ) -> None:
        with script.transaction():
            script.record.write_entry.defer("once")
            script.record.fail.defer("x")
        kept = queue.bodies()
        script.burst()
        for body in kept:
            queue.put(body)
            queue.put(body)
        script.burst()
        hostile(labels(database) != ["once"])
        assert sorted(states(database)) == ["done", "failed"]
        assert queue.left() == 0

    def test_what_else_is_signed_and_stands_in_a_row(
        self, script: Script, database: str, queue: TaskQueue, hostile: Hostile
    ) -> None:
        """By somebody who may write rows: the call of another one, or a pointer."""
        with script.transaction():
            first = script.record.write_entry.defer("first")
            second = script.record.write_entry.defer("second")
            third = script.record.write_entry.defer("third")
        calls = dict(query(database, "SELECT uuid, message FROM async_task"))
        (pointer,) = [it for it in queue.bodies() if third.id in it]
        for task_id, text in ((second.id, calls[first.id]), (third.id, pointer)):
            query(
                database,
                "UPDATE async_task SET message = %s WHERE uuid = %s",
                text,
                task_id,
            )
        script.burst()
        hostile(labels(database) != ["first"])
        assert states(database) == ["done", "failed", "failed"]

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
