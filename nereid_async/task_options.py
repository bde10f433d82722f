"""The options of a task: their ranges, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import text_options
from .errors import ConfigurationError
from .limits import (
    ATTEMPTS_MAX,
    DELAY_MAX_S,
    PRIORITY_DEFAULT,
    PRIORITY_LAST,
    RETRY_DELAY_MAX_S,
    SQS_VISIBILITY_MAX_S,
    TIME_LIMIT_MAX_S,
)
from .messages.attributes import check as check_attributes
from .sqs.queue_names import checked_queue
from .text_options import KeyOption, OnConflict, TextOption, UniqueUntil, text_of

#: The options of a key, with their values; the first is the default.
_KEY_OPTIONS = {"on_conflict": ("keep", "replace"), "unique_until": ("start", "finish")}
_WITHOUT_KEY = {name: values[0] for name, values in _KEY_OPTIONS.items()}
#: Options that are True or False, apart from one of the old module, which took others.
_SWITCHES = ("shared", "cancellable", "notify")
#: Options that are numbers of seconds above 0, and how many at most.
_LONGEST_S = {"time_limit": TIME_LIMIT_MAX_S, "retry_delay": RETRY_DELAY_MAX_S}


@dataclass(frozen=True)
class TaskOptions:
    """The options of a task.

    :ivar ignore_result: whether the value is dropped; the task's state is kept anyway.
    :ivar visibility_timeout: seconds that a claim holds without a heartbeat; None for
        the setting.
    :ivar queue: short name of its queue; None for the setting ``sqs_queue``.
    :ivar priority: 0 to 9; of the due tasks of a queue, priority 0 runs first.
    :ivar max_attempts: attempts before the task fails; None for the setting.
    :ivar time_limit: seconds that an attempt may take; None for the setting.
    :ivar retry_delay: seconds before the second attempt, which double with each further
        one; None for the setting.
    :ivar retry_on: exception classes after which the task runs again.
    :ivar public_errors: exception classes whose texts the owner may read.
    :ivar delay: seconds that the task waits after the commit.
    :ivar shared: whether anybody who has the link may read the result.
    :ivar attributes: SQS message attributes, as boto3 takes them.
    :ivar cancellable: whether its owner may cancel it from the browser.
    :ivar notify: whether its end is shown to its user in the Tryton client.
    :ivar group: its group, for order and fairness, or a callable of the call's
        arguments that returns it; None for none.
    :ivar key: key of which one task waits at a time, a callable of the call's arguments
        that returns it, or True for the arguments themselves; None for none.
    :ivar on_conflict: what becomes of a task of the key that waits: ``"keep"`` or
        ``"replace"``.
    :ivar unique_until: how long a task has its key: until its ``"start"`` or its
        ``"finish"``.
    """

    ignore_result: bool = True
    visibility_timeout: int | None = None
    queue: str | None = None
    priority: int = PRIORITY_DEFAULT
    max_attempts: int | None = None
    time_limit: float | None = None
    retry_delay: float | None = None
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    public_errors: tuple[type[BaseException], ...] = ()
    delay: float = 0
    shared: bool = False
    attributes: dict[str, Any] | None = None
    cancellable: bool = False
    notify: bool = False
    group: TextOption = None
    key: KeyOption = None
    on_conflict: OnConflict = "keep"
    unique_until: UniqueUntil = "start"

    def changed(self, **changes: Any) -> TaskOptions:
        """A copy with some options changed.

        :raises ConfigurationError: an option is unknown or out of its range.
        """
        if changes.get("key", ...) is None:
            # The options of the key go with it.
            changes = {**_WITHOUT_KEY, **changes}
        try:
            options = replace(self, **changes)
        except TypeError:
            known = ", ".join(self.__dataclass_fields__)
            unknown = ", ".join(sorted(set(changes) - set(self.__dataclass_fields__)))
            raise ConfigurationError(
                f"unknown task option {unknown}; there are: {known}"
            ) from None
        options.check()
        return options

    def check(self) -> None:
        """Check ranges.

        :raises ConfigurationError: naming the option.
        """
        timeout, attempts = self.visibility_timeout, self.max_attempts
        if timeout is not None and not _within(timeout, 1, SQS_VISIBILITY_MAX_S):
            raise ConfigurationError(
                f"visibility_timeout={timeout!r}: 1 to {SQS_VISIBILITY_MAX_S} seconds"
            )
        if attempts is not None and not _within(attempts, 1, ATTEMPTS_MAX):
            raise ConfigurationError(f"max_attempts={attempts!r}: 1 to {ATTEMPTS_MAX}")
        if type(self.priority) is not int or not 0 <= self.priority <= PRIORITY_LAST:
            raise ConfigurationError(
                f"priority={self.priority!r}: 0 (first) to {PRIORITY_LAST} (last)"
            )
        for name, high_s in _LONGEST_S.items():
            value = getattr(self, name)
            if value is not None and not (value and _within(value, 0, high_s)):
                raise ConfigurationError(
                    f"{name}={value!r}: above 0, up to {high_s} seconds"
                )
        if not _within(self.delay, 0, DELAY_MAX_S):
            raise ConfigurationError(
                f"delay={self.delay!r}: 0 to {DELAY_MAX_S} seconds"
            )
        self._check_switches()
        if self.queue is not None:
            checked_queue(self.queue)
        if self.attributes is not None:
            check_attributes(self.attributes)
        text_options.check("group", self.group)
        self._check_key()
        if self.cancellable and self.shared:
            raise ConfigurationError(
                "cancellable=True and shared=True: a shared task has no owner who "
                "could cancel it from the browser"
            )

    def _check_switches(self) -> None:
        for name in _SWITCHES:
            value = getattr(self, name)
            if type(value) is not bool:
                raise ConfigurationError(f"{name}={value!r}: True or False")

    def _check_key(self) -> None:
        if self.key is not True:
            text_options.check("key", self.key)
        for option, values in _KEY_OPTIONS.items():
            value = getattr(self, option)
            if value not in values:
                raise ConfigurationError(f"{option}={value!r}: {' or '.join(values)}")
            if self.key is None and value != values[0]:
                raise ConfigurationError(f"{option}={value!r} is of no use without key")
        if self.on_conflict == "replace" and self.unique_until == "finish":
            raise ConfigurationError(
                "unique_until='finish' goes with on_conflict='keep' only: a task that "
                "runs cannot be replaced"
            )

    def of_call(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], task: str
    ) -> TaskOptions:
        """The options of one call: with texts in place of callables.

        :param args: the positional arguments as the function takes them.
        :param task: name of the task, for errors.
        :raises ConfigurationError: what a callable returns is no usable text.
        """
        texts: dict[str, Any] = {
            name: text_of(name, value, args, kwargs, task)
            for name, value in (("group", self.group), ("key", self.key))
            if callable(value)
        }
        return replace(self, **texts) if texts else self


def _within(value: Any, low: float, high: float) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and low <= value <= high
    )
