"""The endpoint ``/async/result/<uuid>``, as functions of task id and owners.

It uses neither Flask nor Tryton's transactions, so that both routes can call it.
Unknown and malformed ids, and those of other owners, get exactly the same answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..cancelling import cancel, is_cancellable
from ..errors import TransportError
from ..messages.outcome import State, Status
from ..messages.serialization import Json, dumps
from ..messages.task_ids import Owner
from ..runtime import Runtime, in_use

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 1
_RETRY_AFTER_OUTAGE_S = 5


@dataclass(frozen=True)
class Answer:
    """An answer. Its body is JSON; None for an empty body."""

    status: int
    body: Json = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, with those that every answer has."""
        headers = {"Cache-Control": "no-store", **self.headers}
        if self.body is not None:
            headers.setdefault("Content-Type", "application/json")
        return headers

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return "" if self.body is None else dumps(self.body)


def read(runtime: Runtime, task_id: str, owners: Sequence[Owner]) -> Answer:
    """Answer a GET. Reading does not consume.

    :param owners: all owners that the request may read as.
    """
    runtime = in_use(runtime)
    if not runtime.task_ids.readable_by(task_id, owners):
        return NOT_FOUND
    try:
        return _answer(task_id, runtime.results.look(task_id), runtime)
    except TransportError:
        return _unreachable(task_id)


def delete(
    runtime: Runtime, task_id: str, owners: Sequence[Owner], wanted: str | None = None
) -> Answer:
    """Answer a DELETE: delete the result, since its owner has it, or cancel the task.

    :param owners: all owners that the request may read as.
    :param wanted: "1" to cancel only, so that a result that has come meanwhile stays;
        "0" to delete only; anything else for what the state of the task allows.
    """
    runtime = in_use(runtime)
    if not runtime.task_ids.readable_by(task_id, owners):
        return NOT_FOUND
    try:
        status = runtime.results.look(task_id)
        if status is None:
            return NOT_FOUND
        if status.state.finished and wanted != "1":
            runtime.results.delete(task_id)
            return Answer(204)
        if status.state.finished:
            return _answer(task_id, status, runtime)
        if wanted == "0":
            return _problem(409, "Not finished", "There is no result to remove yet.")
        return _cancel(runtime, task_id, owners)
    except TransportError:
        return _unreachable(task_id)


def _cancel(runtime: Runtime, task_id: str, owners: Sequence[Owner]) -> Answer:
    # A shared task has readers, but no owner.
    own = [it for it in owners if it.kind == "owner"]
    if not runtime.task_ids.readable_by(task_id, own) or not is_cancellable(
        runtime, task_id
    ):
        return _problem(
            409, "Not finished", "There is no result to remove, and no way to cancel."
        )
    found = cancel(runtime, task_id)
    if found is None or found.finished:
        # It has finished since.
        return _answer(task_id, runtime.results.look(task_id), runtime)
    return _unfinished(task_id, Status(found))


def _answer(task_id: str, status: Status | None, runtime: Runtime) -> Answer:
    if status is None:
        return NOT_FOUND
    if status.gone:
        return _problem(410, "Gone", "This result is not kept any more.")
    outcome = status.outcome
    if outcome is None:
        return _unfinished(task_id, status)
    body: dict[str, Json] = {"id": task_id, "state": outcome.state.value}
    if outcome.cancelled:
        return Answer(200, body)
    if outcome.failure is not None:
        body["error"] = outcome.failure.for_browser()
    else:
        body["result"] = outcome.browser_value
    if runtime.results.needs_acknowledgement and not status.of_batch:
        body["acknowledge"] = True
    return Answer(200, body)


def _unfinished(task_id: str, status: Status) -> Answer:
    running = status.state is State.RUNNING or status.state.finished
    progress = status.progress
    body: dict[str, Json] = {
        "id": task_id,
        "state": (State.RUNNING if running else State.PENDING).value,
        "progress": None if progress is None else progress.as_json(),
    }
    return Answer(202, body, {"Retry-After": str(RETRY_AFTER_S)})


def _problem(status: int, title: str, detail: str) -> Answer:
    return Answer(
        status,
        {"title": title, "status": status, "detail": detail},
        {"Content-Type": "application/problem+json"},
    )


FORBIDDEN = _problem(403, "Forbidden", "This is for pages of this site.")
NOT_FOUND = _problem(404, "Not Found", "There is no such result.")


def _unreachable(task_id: str) -> Answer:
    logger.warning("result of task %s cannot be reached", task_id, exc_info=True)
    answer = _problem(
        503, "Service Unavailable", "The result cannot be reached now; ask again."
    )
    answer.headers["Retry-After"] = str(_RETRY_AFTER_OUTAGE_S)
    return answer
