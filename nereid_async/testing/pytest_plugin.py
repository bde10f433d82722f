"""Fixtures for pytest.

A project that wants them says so in its outermost ``conftest.py``::

    pytest_plugins = ["nereid_async.testing.pytest_plugin"]

It is no entry point of the kind ``pytest11``: pytest would import Tryton at the start
of every run in an environment that has this package, needed or not, and before a
``conftest.py`` can say where ``trytond.conf`` is.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import Capture, capture, inline


@pytest.fixture
def async_tasks() -> Iterator[Capture]:
    """What the test defers, captured; see :func:`nereid_async.testing.capture`."""
    with capture() as deferred:
        yield deferred


@pytest.fixture
def async_tasks_inline() -> Iterator[Capture]:
    """What the test defers, run at once; see :func:`nereid_async.testing.inline`."""
    with inline() as deferred:
        yield deferred
