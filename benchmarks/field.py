"""Who takes part, and how each is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from devtools.processes import script

Command = list[str]


@dataclass(frozen=True)
class Contender:
    """One who takes part.

    :ivar module: below :mod:`benchmarks.contenders`; sends its tasks.
    :ivar worker: its command, for so many processes of so many threads; None for as
        many as it is known with.
    :ivar transport: what carries its messages.
    :ivar configuration: what was set, for the reader.
    :ivar commands: how many times the command is started for n processes.
    :ivar options: for the section ``[async_sqs]``.
    """

    name: str
    module: str
    worker: Callable[[int, int | None], Command]
    transport: str
    configuration: str
    commands: Callable[[int], int] = lambda processes: 1
    options: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    works: tuple[str, ...] = ("tiny", "tiny x2", "nothing", "long", "latency")
    minconn: int = 1
    ours: bool = False


def _python(*words: str) -> Command:
    return [sys.executable, "-m", *words]


def _celery(processes: int, threads: int | None) -> Command:
    pool = ["--pool=threads"] if threads else ["--pool=prefork"]
    return [
        str(script("celery")),
        "-A",
        "benchmarks.contenders.celery_app",
        "worker",
        *pool,
        f"--concurrency={threads or processes}",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def _dramatiq(processes: int, threads: int | None) -> Command:
    return [
        str(script("dramatiq")),
        "benchmarks.contenders.dramatiq_app",
        f"--processes={processes}",
        f"--threads={threads or 1}",
    ]


def _procrastinate(processes: int, threads: int | None) -> Command:
    return _python(
        "benchmarks.contenders.procrastinate_worker", f"--concurrency={threads or 1}"
    )


def _ours(processes: int, threads: int | None, *more: str) -> Command:
    # Its configuration is found by TRYTOND_CONFIG.
    return [
        str(script("nereid-async")),
        "worker",
        "-d",
        "$BENCH_DATABASE",
        f"--processes={processes}",
        *([f"--threads={threads}"] if threads else []),
        *more,
    ]


#: Those that are there to be compared in one thing only.
_TINY = ("tiny", "tiny x2")


def _with_threads(
    contender: Contender, threads: int, name: str, configuration: str, **changes: Any
) -> Contender:
    """The same, with so many threads a process whatever the load."""
    return replace(
        contender,
        name=name,
        worker=lambda processes, _: contender.worker(processes, threads),
        configuration=configuration,
        works=_TINY,
        **changes,
    )


BARE_LOOP = Contender(
    "bare loop of Tryton transactions",
    "bare",
    lambda processes, threads: _python("benchmarks.contenders.bare", "transactions"),
    "none",
    "one transaction after the other; nothing is received",
    commands=lambda processes: processes,
    works=_TINY,
)
BARE_BOTO3 = Contender(
    "bare boto3",
    "bare",
    lambda processes, threads: _python("benchmarks.contenders.bare", "messages"),
    "sqs",
    "receive 10 (long poll), delete 10; no Tryton",
    works=("nothing", "latency"),
)
OURS_SQS = Contender(
    "nereid_async, sqs",
    "ours",
    _ours,
    "sqs",
    "as it comes: outbox on, broker = sqs, 2 threads a process",
    options={"broker": "sqs"},
    ours=True,
)
OURS_SQS_1 = _with_threads(
    OURS_SQS,
    1,
    "nereid_async, sqs, 1 thread",
    "as before, with --threads 1",
)
OURS_SQS_8 = _with_threads(
    OURS_SQS,
    8,
    "nereid_async, sqs, 8 threads",
    "as before, with --threads 8",
)
OURS_SQS_5_QUEUES = replace(
    OURS_SQS,
    name="nereid_async, sqs, 5 queues",
    worker=lambda processes, threads: _ours(
        processes,
        threads,
        "--queue=trytond-async",
        *(f"--queue=quiet{number}" for number in range(1, 5)),
    ),
    configuration="as before, with four more queues, which stay empty",
    works=("latency",),
)
OURS_DATABASE = Contender(
    "nereid_async, database",
    "ours",
    _ours,
    "postgresql",
    "as it comes: outbox on, broker = database, 2 threads a process",
    options={"broker": "database"},
    ours=True,
)
OURS_DATABASE_1 = _with_threads(
    OURS_DATABASE,
    1,
    "nereid_async, database, 1 thread",
    "as before, with --threads 1",
)
_KINDS = tuple(
    replace(
        plain,
        name=f"{plain.name}, {name}",
        env={"BENCH_VARIANT": variant},
        configuration=f"as {plain.name}; {configuration}",
        works=("tiny",),
    )
    for plain in (OURS_SQS, OURS_DATABASE)
    for variant, name, configuration in (
        ("key", "unique", "each task has a key of its own"),
        ("group", "groups", "each task has one of 100 groups"),
        ("batch", "batch", "all tasks are members of one batch"),
    )
)
_METERED = tuple(
    replace(
        plain,
        name=f"{plain.name}, metrics",
        worker=lambda processes, threads: _ours(
            processes, threads, "--http=127.0.0.1:0"
        ),
        configuration=f"as {plain.name}; with --http, so that tasks are counted",
        works=("tiny",),
    )
    for plain in (OURS_SQS, OURS_DATABASE)
)
#: What its capabilities cost, beside the plain task.
VARIANTS = (*_KINDS, *_METERED)
CELERY_DEFAULT = Contender(
    "Celery as it comes",
    "celery_app",
    _celery,
    "sqs",
    "prefork; acks_late, no remote control, prefetch multiplier 4, predefined queue",
    works=("tiny", "tiny x2", "nothing", "latency"),
)
CELERY = Contender(
    "Celery, tuned",
    "celery_app",
    _celery,
    "sqs",
    "as before, with prefetch multiplier 10 and polling_interval 0.01; 8 threads: "
    "--pool=threads and [database] minconn 8",
    env={"BENCH_TUNED": "1"},
)
CELERY_8 = _with_threads(
    CELERY,
    8,
    "Celery, 8 threads",
    "as before, with --pool=threads and [database] minconn 8",
    commands=lambda processes: processes,
    minconn=8,
)
DRAMATIQ = Contender(
    "dramatiq",
    "dramatiq_app",
    _dramatiq,
    "sqs",
    "dramatiq-sqs, its own middleware without Prometheus; 1 thread a process; 8 "
    "threads: [database] minconn 8",
)
DRAMATIQ_8 = _with_threads(
    DRAMATIQ,
    8,
    "dramatiq, 8 threads",
    "as before, with --threads 8 and [database] minconn 8",
    minconn=8,
)
PROCRASTINATE = Contender(
    "procrastinate",
    "procrastinate_app",
    _procrastinate,
    "postgresql",
    "a worker a process, concurrency 1, LISTEN/NOTIFY on, jobs deleted when done; 8 "
    "threads: concurrency 8 and [database] minconn 8",
    commands=lambda processes: processes,
)
PROCRASTINATE_8 = _with_threads(
    PROCRASTINATE,
    8,
    "procrastinate, 8 at a time",
    "as before, with concurrency 8 and [database] minconn 8",
    minconn=8,
)
TRYTOND = Contender(
    "trytond-worker",
    "trytond_queue",
    lambda processes, threads: [
        str(script("trytond-worker")),
        "-c",
        "$TRYTOND_CONFIG",
        "-d",
        "$BENCH_DATABASE",
        "-n",
        str(processes),
    ],
    "postgresql",
    "as it comes; a task is a process, there are no threads",
    works=("tiny", "tiny x2", "nothing", "latency"),
)

PEERS = (
    CELERY_DEFAULT,
    CELERY,
    CELERY_8,
    DRAMATIQ,
    DRAMATIQ_8,
    PROCRASTINATE,
    PROCRASTINATE_8,
    TRYTOND,
)
OURS = (
    OURS_SQS,
    OURS_SQS_1,
    OURS_SQS_8,
    OURS_SQS_5_QUEUES,
    OURS_DATABASE,
    OURS_DATABASE_1,
    *VARIANTS,
)
ALL = (BARE_LOOP, BARE_BOTO3, *OURS, *PEERS)
