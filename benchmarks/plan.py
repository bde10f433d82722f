"""How much is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.field import (
    ALL,
    BARE_BOTO3,
    BARE_LOOP,
    CELERY,
    DRAMATIQ,
    DRAMATIQ_8,
    OURS_DATABASE,
    OURS_SQS,
    OURS_SQS_1,
    OURS_SQS_5_QUEUES,
    PROCRASTINATE,
    PROCRASTINATE_8,
    Contender,
)


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    :ivar tasks: how many of each workload; those without are left out.
    :ivar limit_s: for how long a slow contender is watched.
    :ivar processes: numbers of worker processes of ours.
    :ivar rows: numbers of rows in async.task that are done.
    :ivar backlogs: numbers of those that are due.
    """

    rounds: int
    contenders: Sequence[Contender]
    tasks: dict[str, int]
    limit_s: float
    latencies: int
    idle_s: float
    requests: int
    views: int
    polls_s: float
    rows: Sequence[int]
    backlogs: Sequence[int]
    processes: Sequence[int]
    memory: Sequence[int]
    #: Whose memory and idle calls are measured besides ours.
    others: Sequence[Contender] = ()


FULL = Plan(
    rounds=3,
    contenders=ALL,
    tasks={"tiny": 1_000, "tiny x2": 1_500, "nothing": 600, "long": 300},
    limit_s=5,
    latencies=500,
    idle_s=60,
    requests=25,
    views=15,
    polls_s=3,
    rows=(1, 10, 100, 1_000, 100_000, 1_000_000),
    backlogs=(2_000, 100_000),
    processes=(1, 2, 4, 8),
    memory=(1, 2, 3),
    others=(CELERY, DRAMATIQ),
)

QUICK = Plan(
    rounds=1,
    contenders=(
        BARE_LOOP,
        BARE_BOTO3,
        OURS_SQS,
        OURS_SQS_1,
        OURS_SQS_5_QUEUES,
        OURS_DATABASE,
        CELERY,
        DRAMATIQ_8,
        PROCRASTINATE,
        PROCRASTINATE_8,
    ),
    tasks={"tiny": 400, "tiny x2": 600},
    limit_s=5,
    latencies=30,
    idle_s=20,
    requests=12,
    views=0,
    polls_s=1,
    rows=(1_000, 10_000),
    backlogs=(2_000, 20_000),
    processes=(),
    memory=(1, 2),
)
