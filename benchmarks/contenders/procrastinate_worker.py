"""procrastinate's worker, with the pool loaded."""

from __future__ import annotations

import argparse

from benchmarks.contenders import work
from benchmarks.contenders.procrastinate_app import app


def main() -> None:
    """Run until terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--concurrency", type=int, default=1)
    options = parser.parse_args()
    work.load_pool()
    app.run_worker(concurrency=options.concurrency, delete_jobs="successful")


if __name__ == "__main__":
    main()
