"""procrastinate in Tryton's own database."""

from __future__ import annotations

import os
import time

from procrastinate import App, PsycopgConnector

from benchmarks.contenders import work

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRESQL"]))


@app.task(name="run")
def run(name: str, sent_at_s: float) -> None:
    work.run(name, sent_at_s)


def prepare() -> None:
    """Make its tables."""
    app.open()
    app.schema_manager.apply_schema()


def send_many(name: str, number: int) -> None:
    """Defer in batches of a thousand."""
    while number > 0:
        batch = min(number, 1_000)
        run.batch_defer(
            *({"name": name, "sent_at_s": time.monotonic()} for _ in range(batch))
        )
        number -= batch


def enqueue(name: str) -> None:
    """Send one; it knows of no transaction."""
    run.defer(name=name, sent_at_s=time.monotonic())


send = enqueue


def close() -> None:
    """Let go of its connections."""
    app.close()
