"""The mixin for TestCases of unittest, which Tryton's own tests are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .capture import Capture, capture

if TYPE_CHECKING:
    from unittest import TestCase
else:
    TestCase = object


class AsyncTasksMixin(TestCase):
    """Captures what each test defers; stands before the TestCase among the bases.

    :ivar async_tasks: what the test has deferred.
    """

    async_tasks: Capture

    def setUp(self) -> None:
        """Begin to capture."""
        capturing = capture()
        self.async_tasks = capturing.__enter__()
        self.addCleanup(capturing.__exit__, None, None, None)
        super().setUp()
