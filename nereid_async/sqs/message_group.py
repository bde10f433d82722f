"""The ids by which SQS knows groups, and tells repeated messages."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

#: What SQS takes: up to 128 letters, digits and marks of ASCII, without a space.
_TAKEN = re.compile(r"[!-~]{1,128}")


def group_id(group: str) -> str:
    """The MessageGroupId of a group: the group, or a digest of what SQS does not take.

    SQS orders the messages of a group in an ordered queue; in any other one it lets
    groups have fair shares ("fair queues").
    """
    if _TAKEN.fullmatch(group):
        return group
    return hashlib.sha256(group.encode()).hexdigest()


def grouped(group: str | None) -> dict[str, Any]:
    """The parameter of a message for its group, if it has one."""
    return {} if group is None else {"MessageGroupId": group_id(group)}


def copy_of(group: str | None) -> dict[str, Any]:
    """The parameters of a copy of a message, which an ordered queue must not drop.

    SQS drops a message whose deduplication id it has had within five minutes.
    """
    if group is None:
        return {}
    return {**grouped(group), "MessageDeduplicationId": secrets.token_hex(16)}


def deduplication_id(task_id: str, *, again: bool) -> str:
    """The MessageDeduplicationId of a task's message.

    :param again: whether it may have been sent before, and is to be sent all the same.
    """
    return f"{task_id}-{secrets.token_hex(8)}" if again else task_id
