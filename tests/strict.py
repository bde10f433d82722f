"""Warnings that fail a test: a pytest plugin."""

from __future__ import annotations

import pytest

FILTERS = (
    # Of others, out of our hands.
    "ignore:'crypt' is deprecated:DeprecationWarning:passlib",
    # What our own package does, wherever it is noticed.
    r"error:::nereid_async(\..*)?",
    r"error:::trytond\.modules\.async_sqs(\..*)?",
    "error::pytest.PytestUnhandledThreadExceptionWarning",
    "error::pytest.PytestUnraisableExceptionWarning",
    # trytond leaves its SQLite connections to the garbage collection, which runs at
    # any time, also in our code; from Python 3.13 on that is worth a warning.
    "ignore:unclosed database:ResourceWarning",
    # trytond reads timestamps on SQLite in the way that Python 3.12 warns of.
    "ignore:The default timestamp converter is deprecated:DeprecationWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in FILTERS:
        config.addinivalue_line("filterwarnings", line)
