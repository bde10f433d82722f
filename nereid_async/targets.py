"""Targets of messages: from a method or function to its name, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from trytond.model import Model
from trytond.pool import Pool
from trytond.report import Report
from trytond.wizard import Wizard

from .errors import DeferralError, SerializationError, UnknownTask
from .messages.message import Target

KINDS = ("model", "report", "wizard")
_BASES: tuple[tuple[type, str], ...] = (
    (Model, "model"),
    (Report, "report"),
    (Wizard, "wizard"),
)


def is_private(method: str) -> bool:
    """Whether a method's name is private, so that no message may call it."""
    return method.startswith("_")


def is_task(call: Any) -> bool:
    """Whether a callable is decorated as a task."""
    return hasattr(call, "task_options")


def _refuse_private(place: str, method: str) -> None:
    if is_private(method):
        raise DeferralError(
            f"{place}{method} cannot be deferred: no worker calls a name that begins "
            "with an underscore; rename it"
        )


def method_target(owner: type, method: str, instance: Any = None) -> Target:
    """The target for a method of a class in the pool, or of a saved record.

    :param instance: the record; None for a method of the class.
    :raises DeferralError: the class is no model, report or wizard, the instance is no
        record, or the method's name begins with an underscore.
    :raises SerializationError: the record is not saved.
    """
    _refuse_private(f"{owner.__name__}.", method)
    for base, kind in _BASES:
        if issubclass(owner, base):
            record = None if instance is None else _record_id(instance, method)
            return Target(kind, owner.__name__, method, record)
    raise DeferralError(
        f"{owner.__name__}.{method} cannot be deferred: {owner.__name__} is no model, "
        "report or wizard"
    )


def function_target(function: Callable[..., Any]) -> Target:
    """The target for a plain function.

    :raises DeferralError: a worker could not import it, or its name begins with an
        underscore.
    """
    module, name = function.__module__, function.__qualname__
    _refuse_private(f"{module}:", name)
    if "." in name or module == "__main__":
        raise DeferralError(
            f"{module}:{name} cannot be found by a worker; a plain task is a function "
            "at the top of a module that can be imported"
        )
    return Target("function", module, name)


def _record_id(instance: Any, method: str) -> int:
    name = type(instance).__name__
    record_id = getattr(instance, "id", None)
    if not isinstance(instance, Model):
        raise DeferralError(
            f"{name}.{method} cannot be deferred on an instance: only saved records "
            "travel; use a class method"
        )
    if record_id is None or record_id < 0:
        raise SerializationError(
            f"{name}.{method}: this {name} is not saved; save it first", path="self"
        )
    return int(record_id)


def owner_of(name: str) -> type:
    """The class of the pool with a Tryton name: a model, report or wizard.

    :raises UnknownTask: there is none.
    """
    pool = Pool()
    for kind in KINDS:
        for found, owner in pool.iterobject(type=kind):
            if found == name:
                return owner  # type: ignore[no-any-return]
    raise UnknownTask(f"database {pool.database_name!r} has no {name!r}")


def resolve(target: Target, *, only_tasks: bool = False) -> Callable[..., Any]:
    """The callable that a message names, in the pool of the open transaction.

    :param only_tasks: whether it must be decorated as a task.
    :raises UnknownTask: there is none; a newer release may have it.
    """
    call = _resolve(target)
    if only_tasks and not is_task(call):
        raise UnknownTask(
            f"{target.name} is not decorated as a task, and only_tasks is on here"
        )
    return call


def _resolve(target: Target) -> Callable[..., Any]:
    if target.kind == "function":
        return _resolve_function(target)
    if target.kind not in KINDS:
        raise UnknownTask(f"{target.name}: unknown kind {target.kind!r}")
    owner = _owner(target)
    place = owner if target.instance is None else owner(target.instance)
    method = getattr(place, target.method, None)
    if not callable(method):
        raise UnknownTask(f"{target.owner} has no method {target.method!r}")
    return method  # type: ignore[no-any-return]


def _owner(target: Target) -> Any:
    pool = Pool()
    try:
        # Pool.get() creates a class for an unknown report, so look before.
        if target.kind != "report" or target.owner in dict(pool.iterobject("report")):
            return pool.get(target.owner, target.kind)
    except KeyError:
        pass
    raise UnknownTask(
        f"{target.name}: database {pool.database_name!r} has no {target.kind} "
        f"{target.owner!r}"
    )


def _resolve_function(target: Target) -> Callable[..., Any]:
    module = sys.modules.get(target.owner)
    function = getattr(module, target.method, None)
    if not callable(function):
        raise UnknownTask(
            f"{target.name} is not imported here; name its module in ASYNC_IMPORTS"
        )
    # A message must not be able to call any function.
    if not is_task(function):
        raise UnknownTask(f"{target.name} is not decorated as a task")
    return function  # type: ignore[no-any-return]
