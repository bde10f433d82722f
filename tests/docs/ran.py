"""Which functions and statements of samples have run."""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

#: What begins the name of the file that a sample is compiled as.
PREFIX = "sample of "


class Ran:
    """Notes what runs of samples, in all threads, until the end of the context."""

    def __init__(self) -> None:
        self._lines: set[tuple[str, int]] = set()
        self._calls: set[tuple[str, int]] = set()
        self._before: Any = None

    def __enter__(self) -> Ran:
        self._before = sys.gettrace()
        threading.settrace(self._note)
        sys.settrace(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)
        threading.settrace(self._before)

    def _note(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(PREFIX):
            return None
        if event == "call" and code.co_name != "<module>":
            self._calls.add((code.co_filename, code.co_firstlineno))
        self._lines.add((code.co_filename, frame.f_lineno))
        return self._note

    def missing(self, name: str, text: str) -> list[str]:
        """What of a sample has not run: the first line of each part."""
        lines = text.splitlines()
        return [
            lines[node.lineno - 1].strip()
            for node in _nodes(text)
            if not self._has_run(name, node)
        ]

    def _has_run(self, name: str, node: Any) -> bool:
        if is_body(node):
            decorators = getattr(node, "decorator_list", [])
            first = min(it.lineno for it in [*decorators, node])
            return (name, first) in self._calls
        if not isinstance(node, ast.stmt) or isinstance(node, ast.Try | ast.ClassDef):
            return True
        if isinstance(node, ast.FunctionDef) or _is_empty(node):
            return True
        body = getattr(node, "body", None)
        end = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
        here = range(node.lineno, (end or node.lineno) + 1)
        return any((name, line) in self._lines for line in here)


def bodies(text: str) -> int:
    """How many functions of a sample have a body to run."""
    return sum(map(is_body, _nodes(text)))


def _nodes(text: str) -> Iterator[Any]:
    return ast.walk(ast.parse(text))


def is_body(node: Any) -> bool:
    """Whether it is a function that does something."""
    if isinstance(node, ast.FunctionDef):
        return not all(map(_is_empty, node.body))
    return isinstance(node, ast.Lambda)


def _is_empty(node: ast.stmt) -> bool:
    """Whether it is "..." or a docstring, which leaves nothing to run."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
