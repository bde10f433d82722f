"""Reads the Maildir that the development mail server writes."""

from __future__ import annotations

import email.policy
import mailbox
import re
from email.message import EmailMessage
from pathlib import Path
from typing import BinaryIO, cast


def read_mails(folder: str | Path) -> list[dict[str, str]]:
    """The mails in a Maildir as ``to``, ``subject`` and ``body``, latest first.

    A folder that does not exist yet holds no mail.
    """
    if not Path(folder).is_dir():
        return []
    box = mailbox.Maildir(str(folder), factory=_parse, create=False)
    keys = sorted(box.keys(), key=_delivered_at, reverse=True)
    return [_summary(cast(EmailMessage, box[key])) for key in keys]


def _delivered_at(key: str) -> list[int]:
    """Seconds, microseconds, and what else a name in a Maildir counts up."""
    return [int(number) for number in re.findall(r"\d+", key)[:4]]


def _parse(file: BinaryIO) -> EmailMessage:
    return cast(
        EmailMessage,
        email.message_from_binary_file(file, policy=email.policy.default),
    )


def _summary(mail: EmailMessage) -> dict[str, str]:
    part = mail.get_body(preferencelist=("plain", "html"))
    return {
        "to": str(mail["To"] or ""),
        "subject": str(mail["Subject"] or ""),
        "body": str(part.get_content()) if part is not None else "",
    }
