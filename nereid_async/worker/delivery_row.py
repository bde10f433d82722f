"""What the row of a delivery tells of it, and is told: by its claim, or by its text."""

from __future__ import annotations

import time

from ..messages.outcome import Outcome
from ..rows import TaskRows
from .job import Held


def fail(
    held: Held, rows: TaskRows | None, outcome: Outcome, ttl_s: float
) -> str | None:
    """Write a failure in the row.

    :return: the token of the failure; None if there is no row that took it.
    :raises LeaseLost: another run has the task by now.
    """
    if rows is None:
        return None
    if held.claim is not None:
        rows.finish_apart(held.claim, outcome, ttl_s)
        return held.claim.token
    if held.unread is not None:
        return rows.fail_unread(held.unread, outcome, ttl_s)
    return None


def unknown_for_s(held: Held, rows: TaskRows | None) -> float:
    """Note that this worker does not know what to do with it; for how long none has.

    Without a row it counts from when it was first received, by whomever.
    """
    if rows is not None and held.claim is not None:
        return rows.unknown_for_s(held.claim)
    if rows is not None and held.unread is not None:
        unknown_s = rows.unread_for_s(held.unread)
        if unknown_s is not None:
            return unknown_s
    return age_s(held)


def age_s(held: Held) -> float:
    """How long ago it was first received, by whomever."""
    first_s = held.delivery.first_received_s
    return 0.0 if first_s is None else max(0.0, time.time() - first_s)
