"""The fields of log lines about one run of a task: ``extra`` of the standard logging.

They are part of what an operator builds on, see ``docs/reference/log-fields.rst``.
Build them for a line that is logged only.
"""

from __future__ import annotations

import time
from typing import Any

from .job import Job

#: What becomes of a run.
DONE, FAILED, RETRIED, CANCELLED = "done", "failed", "retried", "cancelled"

#: Names of the fields, as attributes of log records.
FIELDS = (
    "task_id",
    "task",
    "queue",
    "attempt",
    "outcome",
    "duration_ms",
    "wait_ms",
    "error_id",
    "trace_id",
)


def facts(
    job: Job,
    outcome: str | None = None,
    started_s: float | None = None,
    error_id: str | None = None,
) -> dict[str, Any]:
    """The fields of a line; those that are not known are left out.

    :param outcome: done, failed, retried or cancelled.
    :param started_s: when the run began, by the monotonic clock.
    :param error_id: id of the failure.
    """
    found: dict[str, Any] = {
        "task_id": job.message.id,
        "task": job.message.target.name,
        "queue": job.message.queue,
        "attempt": job.attempt,
    }
    if outcome is not None:
        found["outcome"] = outcome
    if error_id is not None:
        found["error_id"] = error_id
    if job.message.trace is not None:
        found["trace_id"] = job.message.trace_id
    if started_s is None:
        return found
    ran_s = time.monotonic() - started_s
    found["duration_ms"] = _ms(ran_s)
    if job.attempt == 1:
        # Of a later attempt the message does not tell when it was due.
        found["wait_ms"] = _ms(time.time() - ran_s - job.message.due_at_s)
    return found


def _ms(seconds: float) -> float:
    # Not below 0, whatever the clocks of two machines say.
    return round(max(seconds, 0.0) * 1_000, 1)
