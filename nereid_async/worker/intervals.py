"""The waits and pauses of a worker that no option sets, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..limits import SQS_LONG_POLL_MAX_S


@dataclass(frozen=True)
class Intervals:
    """How long the threads of a worker wait. The defaults suit all but tests.

    :ivar poll_wait_s: longest wait for a message: as long as SQS allows, since it bills
        each receive.
    :ivar burst_wait_s: the same in a burst.
    :ivar busy_poll_wait_s: the same for a poll that follows one with messages, which is
        made without the poll token.
    :ivar room_wait_s: how long a poller waits for room before it checks whether the
        process is to end.
    :ivar first_failure_pause_s: pause after a poll that failed; it doubles with each
        further failure in a row.
    :ivar longest_failure_pause_s: limit of that pause.
    :ivar poller_hangs_after_s: longer than a poll takes with all its tries and the
        pause after it.
    :ivar token_tick_s: how often the holder of a poll token extends its lease.
    :ivar token_lost_after_s: length of that lease; it ends if the holder was killed or
        stopped, or hangs.
    :ivar token_late_s: how late an answer to a poll may be; a poll that takes longer
        hangs.
    :ivar start_wait_s: how long a poller waits for a new job to end before it polls
        again; a tiny task takes less.
    :ivar interruption_delay_s: longest delay after the first interruption of a task; it
        doubles with each further one.
    :ivar find_queues_pause_s: pause between two looks for queues that ``*`` stands for.
    :ivar relay_pause_s: pause between two rounds of the relay.
    :ivar batches_pause_s: mean pause between two looks at the batches that have not
        ended.
    :ivar cron_pause_s: interval in which what is due of ``ir.cron`` is run.
    :ivar reaper_pause_s: mean pause between two rounds of the reaper.
    :ivar registration_pause_s: pause between two heartbeats of a process in the table
        of workers; well below :data:`.rows.workers.LOST_AFTER_S`.
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
    start_wait_s: float = 0.005
    interruption_delay_s: float = 1.0
    relay_pause_s: float = 5.0
    batches_pause_s: float = 5.0
    cron_pause_s: float = 60.0
    find_queues_pause_s: float = 30.0
    reaper_pause_s: float = 600.0
    registration_pause_s: float = 10.0


#: The intervals of a worker in production.
USUAL = Intervals()
