"""The built-in mail task, before a real SMTP server that makes trouble.

No mail is lost, and none is doubled, but for one whose connection broke at its end:
that one can be told by its Message-ID.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from nereid_async import NereidAsync
from nereid_async.errors import DeferralError
from nereid_async.mail import MAX_ATTEMPTS, RETRY_DELAY_S
from nereid_async.rows import TaskRows
from nereid_async.tryton_config import config
from nereid_async.worker.retry import backoff_s
from tests.fixtures.scripts import Script
from tests.helpers import query, run_until, states, wait_until
from tests.marks import once
from tests.smtp import RoughServer, mail_goes_to

extension = NereidAsync()

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
QUICKLY: dict[str, Any] = {"retry_delay": 0.01}


@pytest.fixture
def rough_server() -> Iterator[RoughServer]:
    rough_server = RoughServer()
    with mail_goes_to(rough_server.uri), rough_server.running():
        yield rough_server


def mail(*to: str, **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = ", ".join(to or (ADA,))
    message["Subject"] = "Grüße"
    for name, value in headers.items():
        message[name] = value
    message.set_content("Straße ☃\n")
    return message


def defer(script: Script, message: EmailMessage, **options: Any) -> Any:
    with script.transaction():
        return extension.send_mail(message, **{**QUICKLY, **options})


def is_over(script: Script) -> bool:
    return set(states(script.database)) <= {"done", "failed"}


def run(script: Script) -> list[str]:
    run_until(script, lambda: is_over(script))
    return states(script.database)


def error_of(script: Script) -> dict[str, Any]:
    statement = "SELECT error FROM async_task WHERE error IS NOT NULL"
    ((error,),) = query(script.database, statement)
    found: dict[str, Any] = json.loads(error)
    return found


def failures(script: Script, task_id: str) -> list[str]:
    """The errors of its failed attempts, by type."""
    return [it.failure.type for it in TaskRows(script.database).attempts(task_id)]


class TestWhatArrives:
    @once
    def test_the_mail_as_it_was(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        defer(script, mail())
        assert run(script) == ["done"]
        ((recipients, sent),) = rough_server.kept
        assert recipients == [ADA]
        assert sent["Subject"] == "Grüße"
        assert sent.get_content().splitlines() == ["Straße ☃"]
        assert sent["Message-ID"].endswith("@example.com>")
        assert parsedate_to_datetime(sent["Date"]).tzinfo is not None
        assert sent.as_bytes().isascii()

    @once
    def test_what_is_set_already_stays(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        given = {"Message-ID": "<1@shop>", "Date": "Thu, 26 Nov 2026 10:00:00 +0000"}
        message = mail(**given)
        defer(script, message)
        run(script)
        ((_, sent),) = rough_server.kept
        assert {name: sent[name] for name in given} == given

    @once
    def test_the_message_itself_is_left_alone(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        """It may be sent again, to somebody else."""
        message = mail(ADA, Bcc=EVE)
        before = message.as_bytes()
        defer(script, message)
        defer(script, message, to_addrs=BOB)
        assert message.as_bytes() == before
        run(script)
        first, second = (sent["Message-ID"] for _, sent in rough_server.kept)
        assert first != second
        assert [rough_server.mails_of(it) for it in (ADA, BOB, EVE)] == [1, 1, 1]

    @once
    def test_blind_copies_are_blind(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        defer(script, mail(ADA, Cc=f"{BOB}, {ADA}", Bcc=EVE))
        run(script)
        ((recipients, sent),) = rough_server.kept
        assert recipients == [ADA, BOB, EVE]
        assert EVE not in sent.as_string()

    @once
    def test_nobody_is_named(self, script: Script, rough_server: RoughServer) -> None:
        message = mail("undisclosed-recipients:;", Bcc=f"{ADA}, Bob <{BOB}>")
        defer(script, message)
        run(script)
        assert rough_server.kept[0][0] == [ADA, BOB]

    @once
    def test_a_sender_from_the_configuration(
        self, script: Script, rough_server: RoughServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = config.get("email", "from")
        config.set("email", "from", "Coffee <coffee@shop.example>")
        try:
            message = MIMEText("plain")
            message["To"] = ADA
            with script.transaction():
                extension.send_mail(message)
        finally:
            config.set("email", "from", before)
        run(script)
        ((_, sent),) = rough_server.kept
        assert sent["From"] == "Coffee <coffee@shop.example>"
        assert sent["Message-ID"].endswith("@shop.example>")

    @once
    @pytest.mark.parametrize(
        ("to", "sender"),
        [
            ("", None),
            ("nobody", None),
            ("ada@", None),
            ("ada@exam\x00ple.com", None),
            (ADA, "root"),
            (ADA, f"{BOB}, {EVE}"),
        ],
    )
    def test_a_bad_address_is_an_error_at_once(
        self, script: Script, to: str, sender: str | None
    ) -> None:
        with script.transaction() as transaction:
            with pytest.raises(DeferralError, match="mail"):
                extension.send_mail(mail(), sender, to)
            transaction.rollback()
        assert states(script.database) == []

    @once
    def test_nothing_leaves_without_a_commit(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        with script.transaction() as transaction:
            extension.send_mail(mail())
            transaction.rollback()
        script.burst()
        assert rough_server.kept == []


class TestLater:
    def test_a_server_that_is_down_for_a_while(self, script: Script) -> None:
        rough_server = RoughServer()
        with mail_goes_to(rough_server.uri):
            result = defer(script, mail())
            for _ in range(3):
                script.burst()
            assert not is_over(script)
            with rough_server.running():
                assert run(script) == ["done"]
        assert rough_server.mails_of(ADA) == 1
        assert set(failures(script, result.id)) == {"MailServerUnavailable"}

    @once
    @pytest.mark.parametrize("code", [421, 450, 451])
    @pytest.mark.parametrize("step", ["senders", "recipients", "mails"])
    def test_a_passing_refusal(
        self, script: Script, rough_server: RoughServer, step: str, code: int
    ) -> None:
        answers = [f"{code} come back later"] * 2
        if step == "recipients":
            rough_server.recipients[ADA] = answers
        else:
            setattr(rough_server, step, answers)
        result = defer(script, mail())
        assert run(script) == ["done"]
        assert failures(script, result.id) == ["MailRefused"] * 2
        (first, _) = TaskRows(script.database).attempts(result.id)
        assert first.failure.message == f"{ADA}: {code} come back later"
        assert rough_server.mails_of(ADA) == 1

    @once
    def test_a_server_that_hangs(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        rough_server.mails = ["hang"]
        with mail_goes_to(f"{rough_server.uri}?timeout=1"):
            result = defer(script, mail())
            assert run(script) == ["done"]
        assert failures(script, result.id) == ["MailServerUnavailable"]
        assert rough_server.mails_of(ADA) == 1

    @once
    def test_a_server_that_does_not_even_greet(self, script: Script) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with mail_goes_to(f"smtp://127.0.0.1:{silent.getsockname()[1]}?timeout=1"):
                result = defer(script, mail(), retry_delay=60)
                script.burst()
        assert not is_over(script)
        assert failures(script, result.id) == ["MailServerUnavailable"]

    def test_a_connection_that_breaks_at_the_end(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        """Nobody knows whether the mail was taken; a second one has the same id."""
        rough_server.mails = ["drop"]
        result = defer(script, mail())
        assert run(script) == ["done"]
        assert failures(script, result.id) == ["MailServerUnavailable"]
        (_, first), (_, second) = rough_server.kept
        assert first["Message-ID"] == second["Message-ID"]

    @once
    @pytest.mark.parametrize(
        ("uri", "text"),
        [
            ("", "set uri in section [email]"),
            ("smtp://user:secret@127.0.0.1:1?timeout=never", "mail server 127.0.0.1:1"),
            ("smtp://127.0.0.1:99999", "mail server 127.0.0.1:99999"),
            ("smtp://127.0.0.1:1?no=such", "mail server 127.0.0.1:1"),
            ("smtp://user:secret@[1", "mail server of [email] uri"),
        ],
    )
    def test_a_configuration_to_be_mended(
        self,
        script: Script,
        caplog: pytest.LogCaptureFixture,
        uri: str,
        text: str,
    ) -> None:
        with mail_goes_to(uri):
            result = defer(script, mail(), retry_delay=60)
            script.burst()
        assert not is_over(script)
        (attempt,) = TaskRows(script.database).attempts(result.id)
        assert text in attempt.failure.message
        assert text in caplog.text
        assert "secret" not in caplog.text
        assert "Traceback" not in caplog.text

    def test_for_a_day(self) -> None:
        delays_s = [backoff_s(it, RETRY_DELAY_S) for it in range(1, MAX_ATTEMPTS)]
        assert 24 < sum(delays_s) / 3_600 < 30


class TestNever:
    @pytest.mark.parametrize("step", ["senders", "recipients", "mails"])
    @once
    def test_a_refusal_for_good(
        self, script: Script, rough_server: RoughServer, step: str
    ) -> None:
        answers = ["550 5.7.1 go away"]
        if step == "recipients":
            rough_server.recipients = {it: list(answers) for it in (ADA, BOB)}
        else:
            setattr(rough_server, step, answers)
        defer(script, mail(ADA, BOB))
        script.burst()
        assert states(script.database) == ["failed"]
        error = error_of(script)
        assert error["type"] == "MailRefused"
        assert error["message"] == f"{ADA}, {BOB}: 550 5.7.1 go away"
        assert rough_server.kept == []

    @once
    def test_an_address_that_the_server_cannot_take(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        defer(script, mail(), to_addrs="jürgen@example.com")
        script.burst()
        assert "jürgen@example.com: 553" in error_of(script)["message"]


class TestSome:
    def test_one_of_three_is_refused_for_good(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        rough_server.recipients[BOB] = ["550 5.1.1 no such user"] * 9
        result = defer(script, mail(ADA, BOB, EVE), ignore_result=False)
        assert run(script) == ["done", "failed"]
        assert error_of(script)["message"] == f"{BOB}: 550 5.1.1 no such user"
        with script.transaction():
            assert result.get(timeout=10) == {
                "delivered": [ADA, EVE],
                "refused": {BOB: "550 5.1.1 no such user"},
            }
        assert [rough_server.mails_of(it) for it in (ADA, BOB, EVE)] == [1, 0, 1]

    def test_one_of_three_is_refused_for_now(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        rough_server.recipients[BOB] = ["450 greylisted"] * 2
        defer(script, mail(ADA, BOB, EVE))
        assert run(script) == ["done", "done"]
        assert [rough_server.mails_of(it) for it in (ADA, BOB, EVE)] == [1, 1, 1]
        first, second = (sent["Message-ID"] for _, sent in rough_server.kept)
        assert first == second

    @once
    def test_each_in_another_way(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        rough_server.recipients = {ADA: ["450 later"] * 2, BOB: ["550 never"] * 9}
        defer(script, mail(ADA, BOB, EVE))
        assert sorted(run(script)) == ["done", "done", "failed"]
        assert [rough_server.mails_of(it) for it in (ADA, BOB, EVE)] == [1, 0, 1]
        assert error_of(script)["message"] == f"{BOB}: 550 never"

    @once
    def test_none_has_it_yet(self, script: Script, rough_server: RoughServer) -> None:
        """A 421 ends the connection before the others are asked."""
        rough_server.recipients[BOB] = ["421 too many of them"]
        defer(script, mail(ADA, BOB, EVE))
        assert run(script) == ["done"]
        assert [rough_server.mails_of(it) for it in (ADA, BOB, EVE)] == [1, 1, 1]

    @once
    def test_what_is_left_goes_the_same_way(
        self, script: Script, rough_server: RoughServer
    ) -> None:
        rough_server.recipients[BOB] = ["450 greylisted"]
        defer(script, mail(ADA, BOB), queue="mail")
        script.burst("mail")
        statement = "SELECT DISTINCT queue FROM async_task"
        assert query(script.database, statement) == [("mail",)]

        def arrived() -> int:
            script.burst("mail")
            return rough_server.mails_of(BOB)

        wait_until(arrived)
