"""Loads the plugins and fixtures of the test suite."""

from __future__ import annotations

from example_app import libmagic

# Before anything imports Nereid; the commands that tests start inherit it.
libmagic.provide()

pytest_plugins = (
    "tests.backends",
    "tests.skips",
    "tests.strict",
    "tests.fixtures.databases",
    "tests.fixtures.services",
    "tests.fixtures.apps",
    "tests.fixtures.scripts",
)
