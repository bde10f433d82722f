"""Reads the Maildir that the development mail server writes."""

from __future__ import annotations

import email.policy
import mailbox
import re
from pathlib import Path


def read_mails(folder: str | Path) -> list[dict[str, str]]:
    """The mails in a Maildir as ``to``, ``subject`` and ``body``, latest first.

    A folder that does not exist yet holds no mail.
    """
    if not Path(folder).is_dir():
        return []
    box = mailbox.Maildir(str(folder), create=False)
    keys = sorted(box.keys(), key=_delivered_at, reverse=True)
    return [_summary(box.get_bytes(key)) for key in keys]


def _delivered_at(key: str) -> list[int]:
    """Seconds, microseconds, and what else a name in a Maildir counts up."""
    return [int(number) for number in re.findall(r"\d+", key)[:4]]


def _summary(content: bytes) -> dict[str, str]:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    part = mail.get_body(preferencelist=("plain", "html"))
    return {
        "to": str(mail["To"] or ""),
        "subject": str(mail["Subject"] or ""),
        "body": str(part.get_content()) if part is not None else "",
    }
