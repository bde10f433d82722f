"""How long tasks wait for a thread: drawn at random, beside the formula of the pages.

    python -m benchmarks.simulation

Tasks come at random and take times at random (exponential, both), and go to the first
thread that is free, as ``docs/explanation/scaling.rst`` says of workers. The draw is
the same each time.
"""

from __future__ import annotations

import heapq
import math
import random

TASKS = 200_000
#: Threads of all workers, and the share of time that they are busy.
CASES = [(2, 0.5), (2, 0.9), (16, 0.8), (16, 0.9), (64, 0.9)]
SERVICE_S = 0.3


def formula_s(service_s: float, threads: int, share: float) -> float:
    """The mean wait by Sakasegawa's approximation, in seconds."""
    exponent = math.sqrt(2 * (threads + 1)) - 1
    return service_s * math.pow(share, exponent) / (threads * (1 - share))


def simulated_s(service_s: float, threads: int, share: float, tasks: int) -> float:
    """The mean wait of so many tasks, in seconds."""
    chance = random.Random(threads)
    free_at_s = [0.0] * threads
    now_s = waited_s = 0.0
    for _ in range(tasks):
        now_s += chance.expovariate(threads * share / service_s)
        start_s = max(now_s, heapq.heappop(free_at_s))
        heapq.heappush(free_at_s, start_s + chance.expovariate(1 / service_s))
        waited_s += start_s - now_s
    return waited_s / tasks


def main() -> None:
    """Print a line for each case."""
    print("threads  busy  simulated_s  formula_s")
    for threads, share in CASES:
        simulated = simulated_s(SERVICE_S, threads, share, TASKS)
        formula = formula_s(SERVICE_S, threads, share)
        print(f"{threads:7}  {share:4.0%}  {simulated:11.3f}  {formula:9.3f}")


if __name__ == "__main__":
    main()
