"""Mail travels with everything that is in it."""

from __future__ import annotations

from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest

from nereid_async.errors import SerializationError
from nereid_async.messages.browser_json import for_browser
from nereid_async.messages.serialization import decode, dumps, encode, loads


def travelled(value: Any) -> Any:
    return decode(loads(dumps(encode(value))))


def test_a_mail_with_an_attachment() -> None:
    mail = EmailMessage()
    mail["From"] = "Ängström <a@example.com>"
    mail["To"] = "b@example.com"
    mail["Subject"] = "Grüße ☃"
    mail.set_content("Hällo\nWörld\n")
    mail.add_alternative("<p>Hällo</p>", subtype="html")
    mail.add_attachment(
        bytes(range(256)), maintype="application", subtype="x-test", filename="ä.bin"
    )
    arrived = travelled(mail)
    assert type(arrived) is EmailMessage
    assert arrived["Subject"] == "Grüße ☃"
    assert arrived["From"].addresses[0].display_name == "Ängström"
    body = arrived.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "Hällo\nWörld\n"
    (attachment,) = arrived.iter_attachments()
    assert attachment.get_content() == bytes(range(256))
    assert attachment.get_filename() == "ä.bin"
    assert arrived.as_bytes() == mail.as_bytes()


def test_raw_eight_bit_content() -> None:
    mail = EmailMessage()
    mail["Subject"] = "x"
    mail.set_content("Wörld", cte="8bit")
    assert travelled(mail).as_bytes() == mail.as_bytes()


def test_the_older_classes() -> None:
    mail = MIMEMultipart()
    mail["Subject"] = "Hello"
    mail.attach(MIMEText("Wörld", "plain", "utf-8"))
    arrived = travelled(mail)
    assert isinstance(arrived, Message)
    assert arrived.as_bytes() == mail.as_bytes()


def test_mail_is_not_for_browsers() -> None:
    with pytest.raises(SerializationError, match="EmailMessage"):
        for_browser([EmailMessage()])
