"""The samples of Python on a page, in one module, with their models in the pool."""

from __future__ import annotations

import io
import textwrap
import types
import warnings
from contextlib import redirect_stdout
from typing import Any

from trytond.model import ModelSQL
from trytond.pool import Pool, PoolMeta
from trytond.report import Report

from tests.docs.ran import PREFIX


class PythonPage:
    """Runs the samples of a page one after the other.

    :param name: of the page.
    :param texts: of its samples.
    """

    def __init__(self, name: str, texts: list[str]) -> None:
        self.texts = [textwrap.dedent(text) for text in texts]
        self.output = io.StringIO()
        self._name = name
        self._module = types.ModuleType("sample")
        self._covered: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def file(self, number: int) -> str:
        """The name that a sample is compiled as."""
        return f"{PREFIX}{self._name}:{number}"

    def run(self, names: dict[str, Any]) -> None:
        """Run the samples, in an open transaction.

        :param names: what they name and do not define.
        :raises Exception: what the first one that is wrong raises.
        """
        vars(self._module).update(names)
        for number, text in enumerate(self.texts):
            code = compile(text, self.file(number), "exec")
            with redirect_stdout(self.output):
                exec(code, vars(self._module))
            self._register(self.file(number))

    def _register(self, module: str) -> None:
        """Let the models of the last sample be in the pool, as Tryton does."""
        made = {
            name: it
            for name, it in vars(self._module).items()
            if isinstance(it, PoolMeta)
            and it.__module__ == "sample"
            and "__name__" in vars(it)
        }
        self._covered += register(module, *made.values())
        for name, it in made.items():
            setattr(self._module, name, Pool().get(it.__name__, type=_type(it)))

    def close(self) -> None:
        """Let the pool be as it was, but for models that are new."""
        for type_, it in reversed(self._covered):
            Pool().add(it, type=type_)
        # Signals hold their receivers weakly, and a function holds its module.
        vars(self._module).clear()


def register(module: str, *classes: type) -> list[tuple[str, type]]:
    """Register classes, and set them up in the pool of the open transaction.

    :returns: the classes that these extend, with their types.
    """
    pool = Pool()
    covered = []
    for it in classes:
        type_ = _type(it)
        try:
            covered.append((type_, pool.get(it.__name__, type=type_)))
        except KeyError:
            pass
        Pool.register(it, module=module, type_=type_)
    pool.setup(pool.fill(module, set()))
    # Other pools have nothing of it.
    for of_type in Pool.classes.values():
        of_type.pop(module, None)
    known = {it.__name__ for _, it in covered}
    for it in classes:
        if issubclass(it, ModelSQL) and it.__name__ not in known:
            with warnings.catch_warnings():
                # SQLite cannot alter tables, of which trytond warns.
                warnings.filterwarnings("ignore", module=r"trytond\.backend\.sqlite")
                pool.get(it.__name__).__register__(module)
    return covered


def _type(it: type) -> str:
    return "report" if issubclass(it, Report) else "model"
