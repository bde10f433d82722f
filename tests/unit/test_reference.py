"""What is public stands on a page of docs/reference."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from typing import Any

import pytest
from blinker import NamedSignal

import nereid_async
from devtools.databases import PROJECT
from nereid_async import AsyncResult, NereidAsync, signals, testing
from nereid_async.batches import Batch
from nereid_async.current import CurrentTask
from nereid_async.messages.outcome import Progress, State
from nereid_async.rows import EndedBatch
from nereid_async.task_types import Changes, Declaration, Deferrable

CLIENT = PROJECT / "nereid_async" / "web" / "static" / "client.js"

#: A directive of Sphinx, its object, and its options.
_DIRECTIVE = re.compile(r"^\.\. auto(\w+):: (\S+)\n((?:   :.+\n)*)", re.M)
_LITERAL = re.compile(r"``(.+?)``|`(.+?)`", re.S)
_BLOCK = re.compile(r"^\.\. code-block::.*\n((?:\n|   .*\n)+)", re.M)
#: What client.js exports for its own tests.
_OF_TESTS = {"retryAfterTime", "shareOf", "valueAt", "asText", "safeHref"}


def found(path: str) -> Any:
    """The object of a name with dots, such as a class in a module."""
    names = path.split(".")
    for number in range(len(names), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(names[:number]))
        except ImportError:
            continue
        for name in names[number:]:
            value = getattr(value, name)
        return value
    raise AssertionError(path)


def public(cls: type) -> set[str]:
    """Names of what a class offers."""
    return {
        name
        for it in cls.__mro__
        if it.__module__.startswith("nereid_async")
        for name in [*vars(it), *getattr(it, "__annotations__", {})]
        if not name.startswith("_")
    }


def of_directives(text: str) -> set[str]:
    """What Sphinx puts in the places of directives."""
    told: set[str] = set()
    for kind, path, options in _DIRECTIVE.findall(text):
        value = found(path)
        told.add(path.rpartition(".")[2])
        documentation = inspect.getdoc(value) or ""
        told |= set(re.findall(r"\w+", documentation)) if kind == "module" else set()
        told |= set(re.findall(r"^:(?:ivar|param) (\w+):", documentation, re.M))
        members = re.search(r":members:(.*)", options)
        if members and kind == "class":
            told |= set(re.findall(r"\w+", members[1])) or public(value)
    return told


@cache
def told() -> set[str]:
    """The names in literals, code and directives of all pages."""
    names: set[str] = set()
    for path in (PROJECT / "docs" / "reference").glob("*.rst"):
        text = path.read_text()
        names |= of_directives(text)
        parts = ["".join(it) for it in _LITERAL.findall(text)] + _BLOCK.findall(text)
        names |= set(re.findall(r"\w+", " ".join(parts)))
    return names


PUBLIC = {
    "nereid_async": set(nereid_async.__all__) - {"__version__"},
    "signals": {n for n, it in vars(signals).items() if isinstance(it, NamedSignal)},
    "options of a task": {*Declaration.__annotations__, *Changes.__annotations__},
    "a task": public(Deferrable) - {"task_options"},
    "NereidAsync": public(NereidAsync),
    "Batch": {*public(Batch), *inspect.signature(Batch).parameters},
    "AsyncResult": public(AsyncResult),
    "Progress": {*Progress.__annotations__},
    "State": {it.value for it in State},
    "current_task": public(CurrentTask),
    "EndedBatch": public(EndedBatch),
    "testing": {*testing.__all__, *public(testing.Capture)}
    | {*public(testing.CapturedCall), *public(testing.CapturedBatch)} - {"record"},
    "client.js": {
        *re.findall(r"^export (?:async )?\w+ (\w+)", CLIENT.read_text(), re.M)
    }
    - _OF_TESTS,
}


@pytest.mark.parametrize("where", PUBLIC)
def test_each_public_name_is_there(where: str) -> None:
    assert len(PUBLIC[where]) > 2
    assert PUBLIC[where] - told() == set()
