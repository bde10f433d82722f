"""Mail leaves with the task's transaction, and a server that is down is no loss."""

from __future__ import annotations

from typing import Any

from trytond.pool import Pool

from devtools.processes import free_port
from devtools.servers import Mailbox
from nereid_async.tryton_config import config
from tests.fixtures.scripts import Script
from tests.helpers import states, wait_until
from tests.marks import once


def defer_mail() -> Any:
    Record = Pool().get("async_test.record")
    return Record.send_mail.defer("ada@example.com", "Hello", "World")


@once
def test_a_mail_arrives_once_and_only_after_the_task(
    script: Script, smtp: Mailbox
) -> None:
    with script.transaction():
        defer_mail()
    assert smtp.messages() == []
    script.burst()
    (mail,) = wait_until(smtp.messages)
    assert mail["To"] == "ada@example.com"
    assert mail["Subject"] == "Hello"
    assert mail.get_content().strip() == "World"


@once
def test_a_server_that_is_down_is_tried_again(
    script: Script, database: str, smtp: Mailbox
) -> None:
    config.set("email", "uri", f"smtp://127.0.0.1:{free_port()}")
    with script.transaction():
        defer_mail()
    script.burst()
    assert states(database)[0] not in ("done", "failed")
    config.set("email", "uri", smtp.uri)

    def sent() -> bool:
        script.burst()
        return states(database) == ["done"]

    wait_until(sent)
    assert len(wait_until(smtp.messages)) == 1
