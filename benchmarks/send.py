"""Sends as one contender does, in a process of its own.

python -m benchmarks.send celery_app tiny 2000          as fast as it can
python -m benchmarks.send celery_app nothing 200 --one  waits for each to start
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import time
from pathlib import Path

from benchmarks.measures import count

#: Longest pause between two, so that they do not fall into step with any poll.
_PAUSE_S = 0.04
_PATIENCE_S = 30.0


def main() -> None:
    """Send what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender")
    parser.add_argument("work")
    parser.add_argument("number", type=int)
    parser.add_argument("--one", action="store_true")
    options = parser.parse_args()
    contender = importlib.import_module(f"benchmarks.contenders.{options.contender}")
    contender.prepare()
    if not options.one:
        contender.send_many(options.work, options.number)
    else:
        marks = Path(os.environ["BENCH_MARKS"])
        for _ in range(options.number):
            before = count(marks)
            contender.send(options.work)
            _wait_for(marks, before + 1)
            time.sleep(random.uniform(0, _PAUSE_S))
    if sends := getattr(contender, "sends", []):
        Path(f"{os.environ['BENCH_MARKS']}.sends").write_text(json.dumps(sends))
    contender.close()


def _wait_for(marks: Path, number: int) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while count(marks) < number:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"task {number} did not start within {_PATIENCE_S} s")
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
