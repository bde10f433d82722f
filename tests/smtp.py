"""An SMTP server that answers as it is told to."""

from __future__ import annotations

import asyncio
import email.policy
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

from devtools.missing import missing
from devtools.processes import free_port


@dataclass
class RoughServer:
    """Keeps what it takes; knows no addresses but in ASCII.

    :ivar senders: its answers to ``MAIL FROM``, one after the other; then 250.
    :ivar recipients: its answers to ``RCPT TO``, by address, likewise.
    :ivar mails: its answers to the mail itself, likewise; ``drop`` to keep it and close
        the connection without one, ``hang`` for none at all.
    :ivar kept: what it has taken: the recipients, and the mail.
    :ivar connections: how many there were.
    """

    port: int = field(default_factory=free_port)
    senders: list[str] = field(default_factory=list)
    recipients: dict[str, list[str]] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)
    kept: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    connections: int = 0

    @property
    def uri(self) -> str:
        """The address as ``[email] uri`` of trytond takes it."""
        return f"smtp://127.0.0.1:{self.port}"

    def mails_of(self, address: str) -> int:
        """How many mails somebody has got."""
        return sum(address in recipients for recipients, _ in self.kept)

    # As aiosmtpd calls it.

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, answers: Any
    ) -> Any:
        session.host_name = hostname
        self.connections += 1
        return answers

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        envelope.mail_from = address
        return self.senders.pop(0) if self.senders else "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answers = self.recipients.get(address)
        answer = answers.pop(0) if answers else "250 OK"
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.mails.pop(0) if self.mails else "250 OK"
        if answer == "hang":
            await asyncio.sleep(60)
        if answer in ("250 OK", "drop"):
            mail = message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.kept.append((list(envelope.rcpt_tos), mail))
        if answer == "drop":
            server.transport.abort()
        return answer

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen, until the end of the context."""
        if importlib.util.find_spec("aiosmtpd") is None:
            missing("aiosmtpd; pip install aiosmtpd")
        from aiosmtpd.controller import Controller

        controller = Controller(self, "127.0.0.1", self.port, enable_SMTPUTF8=False)
        controller.start()
        try:
            yield
        finally:
            controller.stop()


@contextmanager
def mail_goes_to(uri: str) -> Iterator[None]:
    """Let trytond's mail in this process go there."""
    from nereid_async.tryton_config import config

    before = config.get("email", "uri")
    config.set("email", "uri", uri)
    try:
        yield
    finally:
        config.set("email", "uri", before)
