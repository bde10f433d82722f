"""Marks of tests that do not depend on what the others are repeated for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])

#: Any database will do.
ONE_DATABASE = pytest.mark.backends("sqlite")
#: Any broker will do.
ONE_BROKER = pytest.mark.parametrize("broker_settings", ["database"], indirect=True)
#: The same of the example shop.
ONE_SHOP = pytest.mark.parametrize("shop", ["database"], indirect=True)


def once(test: F) -> F:
    """Neither the database nor the broker matters: the test runs once, not four times.

    Only for a test that would run on each broker in turn.
    """
    marked: F = ONE_BROKER(ONE_DATABASE(test))
    return marked


def in_another_process(test: F) -> F:
    """No database of the tests matters: a process with less to do runs it."""
    marked: F = pytest.mark.usefixtures("backend")(
        pytest.mark.backends("postgresql")(test)
    )
    return marked
