"""A captured call, as tests see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trytond.pool import Pool

from ..messages.outcome import Progress, State
from ..messages.serialization import Json, decode
from ..messages.task_ids import Owner
from ..result import AsyncResult
from ..rows import UniqueKey
from ..task_options import TaskOptions
from ..unique import UniqueCall
from .call_record import CallRecord, CapturedAttempt
from .texts import call_text

#: Options that a message does not carry: the worker finds them in the declaration.
_OF_THE_DECLARATION = {"retry_on", "public_errors"}


@dataclass(frozen=True, repr=False)
class CapturedCall:
    """A deferred call, as a worker would read it from its message.

    :ivar record: what this package knows of it.
    """

    record: CallRecord

    @property
    def id(self) -> str:
        """The task's id."""
        return self.record.id

    @property
    def task(self) -> str:
        """The task's name, such as ``"order.mail.send_confirmation"``."""
        return self.record.message.target.name

    @property
    def instance(self) -> Any:
        """The record whose method is called; None for a class's, or a function."""
        target = self.record.message.target
        if target.instance is None:
            return None
        with self.record.transaction():
            return Pool().get(target.owner, type=target.kind)(target.instance)

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments; records are read anew."""
        with self.record.transaction():
            return tuple(decode(value) for value in self.record.message.args)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments; records are read anew."""
        return self._decoded(self.record.message.kwargs)

    @property
    def user(self) -> int:
        """Id of the Tryton user as whom it runs."""
        return self.record.message.user

    @property
    def context(self) -> dict[str, Any]:
        """The transaction context in which it runs."""
        with self.record.transaction():
            return {
                name: decode(it) for name, it in self.record.message.context.items()
            }

    @property
    def options(self) -> dict[str, Any]:
        """The options in force, by the names that ``configure`` takes.

        Those that belong to the declaration (``retry_on``, ``public_errors``) are not
        among them.
        """
        message = self.record.message
        names = TaskOptions.__dataclass_fields__.keys() - _OF_THE_DECLARATION
        carried = vars(message)
        found = {name: carried.get(name, carried.get(f"{name}_s")) for name in names}
        website = None if message.web is None else message.web.website
        shared = Owner("shared", website)
        return {
            **found,
            "ignore_result": not message.keep_result,
            "attributes": message.sqs_attributes,
            **self._of_key,
            "shared": self.record.runtime.task_ids.readable_by(self.id, [shared]),
        }

    @property
    def _of_key(self) -> dict[str, Any]:
        call = self.record.deferred
        unique = call.unique if isinstance(call, UniqueCall) else UniqueKey("")
        conflict = "replace" if unique.replaces else "keep"
        return {"on_conflict": conflict, "unique_until": unique.until}

    @property
    def state(self) -> State:
        """Its state: pending, running, done, failed or cancelled."""
        return self.record.state

    @property
    def attempts(self) -> list[CapturedAttempt]:
        """The attempts to run it so far."""
        return list(self.record.attempts)

    @property
    def progress(self) -> Progress | None:
        """The progress that it has reported last."""
        return self.record.status.progress

    @property
    def result(self) -> AsyncResult:
        """A handle, as the deferral returned it."""
        return AsyncResult(
            self.id, runtime=self.record.runtime, deferred=self.record.deferred
        )

    def _decoded(self, values: dict[str, Json]) -> dict[str, Any]:
        with self.record.transaction():
            return {name: decode(value) for name, value in values.items()}

    def __repr__(self) -> str:
        with self.record.transaction():
            return call_text(self.task, self.instance, self.args, self.kwargs)
