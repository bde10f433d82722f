"""Fixtures of chaos that the tests of commands have as well."""

from __future__ import annotations

from tests.acceptance.conftest import commands

__all__ = ["commands"]
