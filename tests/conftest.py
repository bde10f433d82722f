"""Loads the plugins and fixtures of the test suite."""

from __future__ import annotations

import pytest

from nereid_async.shop import libmagic

# Before anything imports Nereid; the commands that tests start inherit it.
libmagic.provide()

pytest.register_assert_rewrite("devtools", "tests.contract", "tests.helpers")

pytest_plugins = (
    "tests.backends",
    "tests.fast",
    "tests.skips",
    "tests.strict",
    "tests.profiles",
    "tests.hostile",
    "tests.javascript",
    "tests.chaos.plugin",
    "tests.fixtures.databases",
    "tests.fixtures.services",
    "tests.fixtures.apps",
    "tests.fixtures.flask_apps",
    "tests.fixtures.scripts",
    "tests.fixtures.shop",
    "tests.fixtures.chromium",
)
