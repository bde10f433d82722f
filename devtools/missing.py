"""What a test needs and this machine lacks: skipped here, a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def in_ci() -> bool:
    """Whether this is a run in which nothing may be skipped."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def missing(what: str) -> NoReturn:
    """Give up on a test for want of something outside of it.

    :param what: what is missing, and how to get it.
    """
    if in_ci():
        pytest.fail(f"CI is set, and this is missing: {what}", pytrace=False)
    pytest.skip(what)
