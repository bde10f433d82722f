"""Loads the plugins and fixtures of the test suite."""

from __future__ import annotations

pytest_plugins = (
    "tests.backends",
    "tests.skips",
    "tests.strict",
    "tests.fixtures.databases",
    "tests.fixtures.services",
    "tests.fixtures.apps",
    "tests.fixtures.scripts",
)
