"""What enqueuing costs whoever asks: one contender, in a process of its own.

    python -m benchmarks.asking celery_app 200 asking.json           transactions
    python -m benchmarks.asking celery_app 40 asking.json --nereid   a Nereid view
    python -m benchmarks.asking ours 2000 asking.json --threads 8    many at once

Nothing, one, ten and a hundred are enqueued in turn, so that a slow moment of the
machine is everybody's; and once nothing is, but a text as long as a message is
inserted. The medians are written in milliseconds.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trytond.transaction import Transaction

from benchmarks.contenders import work

#: How many are enqueued by one request.
NUMBERS = (0, 1, 10, 100)
_WARM_UP = 5
#: Of a task without arguments, with its message.
_ROW_BYTES = 800
_PAUSE_S = 0.03


def main() -> None:
    """Measure, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender")
    parser.add_argument("rounds", type=int)
    parser.add_argument("result", type=Path)
    parser.add_argument("--nereid", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    contender = importlib.import_module(f"benchmarks.contenders.{options.contender}")
    work.load_pool()
    contender.prepare()
    work.enqueue = contender.enqueue
    if options.threads:
        result = {"tasks": _many(options.rounds, options.threads)}
    else:
        ask = _view(options, options.contender == "ours")
        requests = {str(n): functools.partial(ask, n) for n in NUMBERS}
        if options.nereid and options.contender == "ours":
            requests["without"] = functools.partial(_view(options, False), 0)
        if not options.nereid:
            requests["insert"] = _insertion()
        result = _medians_ms(requests, options.rounds)
    contender.close()
    options.result.write_text(json.dumps(result))


def _transaction(number: int) -> None:
    def ask() -> None:
        work.write()
        for _ in range(number):
            work.enqueue("nothing")

    work.in_transaction(ask)


def _insertion() -> Callable[[], None]:
    """A transaction with one INSERT of the size of a task's row."""
    with Transaction().start(work.database(), 1) as transaction:
        transaction.connection.cursor().execute(
            "CREATE TABLE bench_texts (id SERIAL PRIMARY KEY, text VARCHAR)"
        )
        transaction.commit()

    def write() -> None:
        work.write()
        Transaction().connection.cursor().execute(
            "INSERT INTO bench_texts (text) VALUES (%s)", ("x" * _ROW_BYTES,)
        )

    return functools.partial(work.in_transaction, write)


def _view(options: Any, extended: bool) -> Callable[[int], None]:
    """What asks for so many; of Nereid, with our extension or without."""
    if not options.nereid:
        return _transaction
    from nereid_async.shop import libmagic

    libmagic.provide()
    from devtools.apps import bare_app
    from devtools.browser import Browser
    from nereid_async import NereidAsync

    app = bare_app(work.database(), options.result.parent)
    if extended:
        NereidAsync().init_app(app)
    app.initialise()
    browser = Browser(app)

    def ask(number: int) -> None:
        answer = browser.post("/en/bench", data={"number": number})
        assert answer.status_code == 200, answer.text

    return ask


def _medians_ms(
    requests: Mapping[str, Callable[[], None]], rounds: int
) -> dict[str, float]:
    taken_ms: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(rounds + _WARM_UP):
        for name, request in requests.items():
            started_s = time.perf_counter()
            request()
            taken_ms[name].append((time.perf_counter() - started_s) * 1_000)
            # A visitor reads before he asks again.
            time.sleep(_PAUSE_S)
    return {name: statistics.median(it[_WARM_UP:]) for name, it in taken_ms.items()}


def _many(tasks: int, threads: int) -> int:
    """Let threads ask for one task each, again and again; returns how many."""
    each = tasks // threads

    def ask() -> None:
        for _ in range(each):
            _transaction(1)

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return each * threads


if __name__ == "__main__":
    main()
