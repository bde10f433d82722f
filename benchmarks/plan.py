"""How much is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.field import (
    ALL,
    BARE_BOTO3,
    BARE_LOOP,
    CELERY,
    DRAMATIQ,
    OURS,
    OURS_SQS,
    PROCRASTINATE,
    Contender,
)


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    :ivar tasks: how many of each workload.
    :ivar limit_s: for how long a slow contender is watched.
    :ivar processes: numbers of worker processes of ours.
    :ivar rows: numbers of rows in async.task.
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
    processes: Sequence[int]
    memory: Sequence[int]
    idle: Sequence[Contender] = field(default=(OURS_SQS, CELERY, DRAMATIQ))


FULL = Plan(
    rounds=3,
    contenders=ALL,
    tasks={"tiny": 1_200, "tiny x2": 1_800, "nothing": 1_500, "long": 800},
    limit_s=8,
    latencies=120,
    idle_s=60,
    requests=60,
    views=20,
    polls_s=3,
    rows=(1, 10, 100, 1_000, 100_000, 1_000_000),
    processes=(1, 2, 3, 4, 6, 8),
    memory=(1, 2, 3),
)

QUICK = Plan(
    rounds=1,
    contenders=(BARE_LOOP, BARE_BOTO3, *OURS, CELERY, DRAMATIQ, PROCRASTINATE),
    tasks={"tiny": 600, "tiny x2": 600, "nothing": 600, "long": 200},
    limit_s=5,
    latencies=50,
    idle_s=20,
    requests=20,
    views=0,
    polls_s=1,
    rows=(1_000, 10_000),
    processes=(),
    memory=(1, 2),
    idle=(OURS_SQS,),
)
