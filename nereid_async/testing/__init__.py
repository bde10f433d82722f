"""Tests of code that defers, and of tasks: without a worker, and without a commit.

::

    with capture() as deferred:
        Order.confirm(orders)
    deferred.assert_called(OrderMail.send_confirmation, order, queue="mail")
    deferred.run()

Also :func:`inline`, which runs each call at once; the mixin
:class:`~.unittest.AsyncTasksMixin`; and for pytest the fixtures of
:mod:`~.pytest_plugin`.
"""

from __future__ import annotations

from .call_record import CapturedAttempt
from .capture import Capture, capture, inline
from .captured_batch import CapturedBatch
from .captured_call import CapturedCall
from .unittest import AsyncTasksMixin

__all__ = [
    "AsyncTasksMixin",
    "Capture",
    "CapturedAttempt",
    "CapturedBatch",
    "CapturedCall",
    "capture",
    "inline",
]
