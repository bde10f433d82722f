"""What a request pays for enqueuing, for each contender."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.field import (
    BARE_BOTO3,
    CELERY,
    DRAMATIQ,
    OURS_DATABASE,
    OURS_SQS,
    PROCRASTINATE,
    TRYTOND,
    Contender,
)
from benchmarks.services import Place, Services
from devtools.processes import run

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Caller:
    """A contender, and how it sends.

    :ivar options: for the section ``[async_sqs]``.
    """

    name: str
    contender: Contender
    options: Mapping[str, str]


CALLERS = (
    Caller("nereid_async, sqs", OURS_SQS, {"broker": "sqs"}),
    Caller(
        "nereid_async, sqs, background",
        OURS_SQS,
        {"broker": "sqs", "send": "background"},
    ),
    Caller("nereid_async, database", OURS_DATABASE, {"broker": "database"}),
    Caller("boto3 send_message", BARE_BOTO3, {}),
    Caller("Celery delay()", CELERY, {}),
    Caller("dramatiq send()", DRAMATIQ, {}),
    Caller("procrastinate defer()", PROCRASTINATE, {}),
    Caller("trytond's queue", TRYTOND, {}),
)


@dataclass(frozen=True)
class Price:
    """Medians in milliseconds.

    :ivar none_ms: of a request that writes a row and enqueues nothing.
    :ivar one_ms: of one that enqueues one task besides.
    :ivar insert_ms: of one that inserts a text as long as a task's message instead.
    :ivar without_ms: of one that enqueues nothing, to an app without the extension.
    """

    none_ms: float
    one_ms: float
    ten_ms: float
    hundred_ms: float
    insert_ms: float | None = None
    without_ms: float | None = None


def price(
    services: Services, caller: Caller, rounds: int, *, nereid: bool = False
) -> Price:
    """Measure transactions, or requests to a Nereid view."""
    with services.place(8, **caller.options) as place:
        options = ["--nereid"] if nereid else []
        medians_ms = _ask(place, caller, rounds, *options)
    return Price(
        *(medians_ms[number] for number in ("0", "1", "10", "100")),
        medians_ms.get("insert"),
        medians_ms.get("without"),
    )


def calls_a_task(services: Services, caller: Caller, tasks: int, threads: int) -> float:
    """Calls of SQS for each task that concurrent requests ask for."""
    with services.place(8, **caller.options) as place:
        before = services.calls()
        done = _ask(place, caller, tasks, "--threads", str(threads))["tasks"]
        return (services.calls() - before)["SendMessageBatch"] / done


def _ask(place: Place, caller: Caller, rounds: int, *options: str) -> dict[str, float]:
    result = place.folder / f"{place.database}.json"
    command = [sys.executable, "-m", "benchmarks.asking", caller.contender.module]
    run(
        [*command, str(rounds), str(result), *options],
        place.folder / f"{place.database}-asking.log",
        timeout_s=300,
        env={**os.environ, **place.env, **caller.contender.env},
        cwd=PROJECT,
    )
    measured: dict[str, float] = json.loads(result.read_text())
    return measured
