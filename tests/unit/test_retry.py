"""Whether a task that raised is tried again, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from devtools.messages import message
from nereid_async.errors import Retry
from nereid_async.limits import DELAY_MAX_S
from nereid_async.worker.retry import Again, GiveUp, backoff_s, decide, reason_of

UTC = dt.timezone.utc
TOMORROW_S = 86_400


def tomorrow() -> dt.datetime:
    return dt.datetime.now(UTC) + dt.timedelta(seconds=TOMORROW_S)


class TestRetry:
    @pytest.mark.parametrize(
        "write",
        [
            lambda at: at,
            # Without a zone it is in UTC.
            lambda at: at.replace(tzinfo=None),
            lambda at: at.astimezone(dt.timezone(dt.timedelta(hours=5))),
        ],
    )
    def test_a_date_is_a_delay(
        self, write: Callable[[dt.datetime], dt.datetime]
    ) -> None:
        delay_s = Retry(at=write(tomorrow())).delay_s
        assert delay_s is not None
        assert TOMORROW_S - 60 < delay_s <= TOMORROW_S

    def test_what_is_past_is_at_once(self) -> None:
        assert Retry(at=tomorrow() - dt.timedelta(days=400)).delay_s == 0
        assert Retry(at=dt.datetime.min).delay_s == 0

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"delay": -1}, ValueError),
            ({"delay": float("nan")}, ValueError),
            ({"delay": DELAY_MAX_S + 1}, ValueError),
            ({"at": dt.datetime.max}, ValueError),
            ({"at": tomorrow(), "delay": 3}, ValueError),
            ({"at": tomorrow().date()}, TypeError),
            ({"at": 17}, TypeError),
        ],
    )
    def test_bad_ones(self, given: dict[str, Any], error: type[Exception]) -> None:
        with pytest.raises(error, match="Retry"):
            Retry(**given)

    def test_it_is_told_why(self) -> None:
        why = OSError("away")
        with pytest.raises(Retry) as caught:
            raise Retry() from why
        assert reason_of(caught.value) is why
        try:
            raise why
        except OSError:
            with pytest.raises(Retry) as caught:
                raise Retry() from None
        assert reason_of(caught.value) is None
        assert reason_of(why) is None


class TestDecision:
    def test_a_snooze_goes_on_for_ever(self) -> None:
        snooze = Retry(delay=7, counts=False)
        made = message(max_attempts=2)
        assert decide(snooze, 2, made, ()) == Again(7, counts=False)
        # Each receive counts there.
        bare = message(max_attempts=2, outbox=False)
        assert decide(snooze, 1, bare, ()) == Again(7)
        assert isinstance(decide(snooze, 2, bare, ()), GiveUp)

    def test_delays_double_up_to_an_hour(self) -> None:
        assert 10 <= backoff_s(1, 20) <= 20
        assert 40 <= backoff_s(3, 20) <= 80
        assert 1_800 <= backoff_s(1_000, 20) <= 3_600

    def test_the_message_says_how_fast(self) -> None:
        made = message(retry_delay_s=600.0)
        again = decide(ValueError(), 2, made, (Exception,))
        assert isinstance(again, Again)
        assert 600 <= again.delay_s <= 1_200
