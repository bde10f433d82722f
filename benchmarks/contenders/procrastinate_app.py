"""procrastinate in Tryton's own database."""

from __future__ import annotations

import os
import time

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from benchmarks.contenders import work

_conninfo = os.environ["BENCH_POSTGRESQL"]
app = App(connector=PsycopgConnector(conninfo=_conninfo))


@app.task(name="run")
def run(name: str, sent_at_s: float) -> None:
    work.run(name, sent_at_s)


_sync = App(connector=SyncPsycopgConnector(conninfo=_conninfo))
_sync.tasks = app.tasks


def prepare() -> None:
    """Make its tables."""
    _sync.open()
    _sync.schema_manager.apply_schema()


def send_many(name: str, number: int) -> None:
    """Defer in batches of a thousand."""
    task = _sync.configure_task("run")
    while number > 0:
        batch = min(number, 1_000)
        task.batch_defer(
            *({"name": name, "sent_at_s": time.monotonic()} for _ in range(batch))
        )
        number -= batch


def send(name: str) -> None:
    """Defer one."""
    _sync.configure_task("run").defer(name=name, sent_at_s=time.monotonic())


def close() -> None:
    """Let go of its connections."""
    _sync.close()
