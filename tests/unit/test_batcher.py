"""What is collected is handed on, whatever becomes of the one who takes it."""

from __future__ import annotations

from nereid_async.batcher import Batcher
from tests.helpers import wait_until
from tests.rough_tasks import OwnInterrupt


def test_a_batcher_goes_on_whatever_its_handler_raises() -> None:
    handled: list[str] = []

    def handle(things: list[str]) -> None:
        handled.extend(things)
        raise OwnInterrupt("of a handler")

    batcher: Batcher[str] = Batcher("test", handle, 0)
    for name in ("first", "second"):
        batcher.add([name])
        wait_until(lambda name=name: name in handled)  # type: ignore[misc]
    batcher.close()
