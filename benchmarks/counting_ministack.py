"""ministack as it is, but for two things: it counts, and its long polls are prompt.

    BENCH_CALLS=calls.log python -m benchmarks.counting_ministack

Its long poll looks for messages every 100 ms, which hides every difference between
those who wait for them; here it looks every 2 ms, for all alike. Each call's name is
appended to the file ``BENCH_CALLS``, one a line.
"""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

_STEP_S = 0.002


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(min(seconds, _STEP_S))


def main() -> None:
    """Serve until terminated."""
    from ministack import app
    from ministack.services import sqs

    calls_fd = os.open(
        os.environ["BENCH_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT
    )
    handle_request = sqs.handle_request

    async def counted(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Any:
        os.write(calls_fd, f"{_operation(headers, body)}\n".encode())
        return await handle_request(method, path, headers, body, query)

    sqs.handle_request = counted
    parts = {name: getattr(asyncio, name) for name in dir(asyncio)}
    sqs.asyncio = SimpleNamespace(**{**parts, "sleep": _sleep})
    app.main()


def _operation(headers: dict[str, str], body: bytes) -> str:
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    return parse_qs(body.decode(errors="replace")).get("Action", ["?"])[0]


if __name__ == "__main__":
    main()
