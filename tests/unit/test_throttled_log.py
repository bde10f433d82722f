"""A log that says the same once in a while."""

from __future__ import annotations

import logging

import pytest

from nereid_async.throttled_log import ThrottledLog


def test_what_is_over_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    log = ThrottledLog(logging.getLogger(__name__), 600, lambda: now_s)
    assert log.warning("outage", "it begins")
    now_s = 30
    log.forget(older_than_s=60)
    assert not log.warning("outage", "a flicker")
    now_s = 61
    log.forget(older_than_s=60)
    assert log.warning("outage", "another one")
    assert caplog.messages == ["it begins", "another one"]
