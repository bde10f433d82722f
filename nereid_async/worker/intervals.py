"""The times that a worker keeps to by itself, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..limits import SQS_LONG_POLL_MAX_S


@dataclass(frozen=True)
class Intervals:
    """How long the threads of a worker wait. The defaults suit all but tests.

    :ivar poll_wait_s: longest wait for a message: as long as SQS allows, since it bills
        each receive.
    :ivar burst_wait_s: the same in a burst.
    :ivar busy_poll_wait_s: the same where messages have just come, whoever else
        polls.
    :ivar room_wait_s: how long a poller waits for a thread to be free before it looks
        around.
    :ivar first_failure_pause_s: pause after a poll that failed; it doubles with each
        further one.
    :ivar longest_failure_pause_s: its limit.
    :ivar poller_hangs_after_s: longer than a poll takes with all its tries, and the
        pause after it.
    :ivar token_tick_s: how often the holder of a poll token says that it lives.
    :ivar token_lost_after_s: after how long a silence it has lost the token: it was
        killed or stopped, or hangs.
    :ivar token_late_s: how late an answer may be; a poll that takes longer hangs.
    :ivar head_start_s: longer than it takes to begin a task, and shorter than anybody
        notices.
    :ivar first_retry_s: longest delay of a task's second attempt; it doubles with each
        further one.
    :ivar longest_retry_s: its limit.
    :ivar relay_pause_s: pause between two rounds of the relay.
    :ivar reaper_pause_s: mean pause between two rounds of the reaper.
    """

    poll_wait_s: float = float(SQS_LONG_POLL_MAX_S)
    burst_wait_s: float = 1.0
    busy_poll_wait_s: float = 1.0
    room_wait_s: float = 1.0
    first_failure_pause_s: float = 0.5
    longest_failure_pause_s: float = 30.0
    poller_hangs_after_s: float = 180.0
    token_tick_s: float = 1.0
    token_lost_after_s: float = 3.0
    token_late_s: float = 5.0
    head_start_s: float = 0.005
    first_retry_s: float = 1.0
    longest_retry_s: float = 3_600.0
    relay_pause_s: float = 5.0
    reaper_pause_s: float = 600.0


#: Those of a worker in production.
USUAL = Intervals()
