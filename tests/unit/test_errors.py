"""One family of errors; control flow stands outside of it."""

from __future__ import annotations

import inspect

import pytest

from nereid_async import errors
from nereid_async.errors import ResultCancelled


def test_every_error_is_of_the_family() -> None:
    for _, found in inspect.getmembers(errors, inspect.isclass):
        if issubclass(found, errors.ControlFlow) and found is not ResultCancelled:
            assert not issubclass(found, errors.NereidAsyncError)
        else:
            assert issubclass(found, errors.NereidAsyncError)


def test_retry_has_a_range() -> None:
    assert errors.Retry().delay_s is None
    assert errors.Retry(delay=0).delay_s == 0
    # As far away as a delay may be: ten years.
    assert errors.Retry(315_360_000).delay_s == 315_360_000
    for delay in (-1, 315_360_001, float("nan")):
        with pytest.raises(ValueError, match="315360000"):
            errors.Retry(delay)


def test_a_cancelled_result_is_an_error_and_a_cancelled_run_is_none() -> None:
    assert issubclass(ResultCancelled, (errors.TaskCancelled, errors.ResultError))
    assert not issubclass(errors.TaskCancelled, errors.NereidAsyncError)


def test_a_failed_task_tells_the_remote_traceback() -> None:
    error = errors.TaskFailed("ValueError", "no", "Traceback …")
    assert str(error) == "ValueError: no\n\nTraceback …"
    assert error.type == "ValueError"
    assert error.message == "no"
