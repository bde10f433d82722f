"""``async.async``: the API of the old module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trytond.model import ModelView
from trytond.pool import Pool

from nereid_async.deferral import Call, defer_call
from nereid_async.errors import DeferralError
from nereid_async.result import AsyncResult
from nereid_async.runtime import current
from nereid_async.settings import Settings
from nereid_async.targets import KINDS, is_task, method_target, owner_of
from nereid_async.task import keep_deferrable
from nereid_async.task_options import TaskOptions

__all__ = ["Async", "AsyncResult", "ResultOptions"]


class ResultOptions(NamedTuple):
    """Options of a deferral, as in the old module: see :class:`.TaskOptions`.

    :ivar visibility_timeout: in seconds.
    """

    ignore_result: bool = True
    visibility_timeout: int = Settings.visibility_timeout


class Async(ModelView):
    "Asynchronous Execution"

    __name__ = "async.async"
    __string__ = __doc__

    @classmethod
    def defer(
        cls,
        method: Any,
        model: Any = None,
        instance: Any = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        delay_seconds: float = 0,
        attributes: dict[str, Any] | None = None,
        result_options: ResultOptions | None = None,
    ) -> AsyncResult[Any]:
        """Defer a call of a method, decorated or not, until the commit.

        :param method: its name, or the method.
        :param model: Tryton name of its class, or the class.
        :param instance: saved record to call it on, in place of the model.
        :param args: positional arguments.
        :param kwargs: keyword arguments.
        :param delay_seconds: seconds that it waits after the commit.
        :param attributes: SQS message attributes, in the form of boto3.
        :param result_options: options of the result; by default those that the method
            was declared with. The result of a method without the decorator is dropped.
        :raises DeferralError: no model is given, or only decorated methods are allowed.

        Otherwise as :meth:`nereid_async.task.ConfiguredTask.defer`.
        """
        name = method if isinstance(method, str) else method.__name__
        owner = _owner(model, instance, name)
        if current().settings.only_tasks:
            _check_decorated(owner, name)
        declared = getattr(getattr(owner, name), "task_options", TaskOptions())
        of_result = {} if result_options is None else result_options._asdict()
        options = declared.changed(
            delay=delay_seconds, attributes=attributes, **of_result
        )
        target = method_target(owner, name, instance)
        positional, keywords = list(args or ()), dict(kwargs or {})
        taken = positional if instance is None else [instance, *positional]
        options = options.of_call(taken, keywords, target.name)
        return defer_call(Call(target, positional, keywords, options))

    @classmethod
    def __post_setup__(cls) -> None:
        super().__post_setup__()
        pool = Pool()
        for kind in KINDS:
            for _, owner in pool.iterobject(type=kind):
                keep_deferrable(owner)


def _owner(model: Any, instance: Any, method: str) -> type:
    if instance is not None:
        return type(instance)
    if model is None:
        raise DeferralError(f"defer({method!r}): name a model or an instance")
    owner = owner_of(model) if isinstance(model, str) else model
    if not callable(getattr(owner, method, None)):
        raise DeferralError(f"{owner.__name__} has no method {method!r}")
    return owner


def _check_decorated(owner: type, method: str) -> None:
    if not is_task(getattr(owner, method, None)):
        raise DeferralError(
            f"{owner.__name__}.{method} is not decorated with async_task, and the "
            "setting only_tasks is on"
        )
