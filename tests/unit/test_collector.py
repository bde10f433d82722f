"""What is collected is handed on, whatever becomes of the one who takes it."""

from __future__ import annotations

from nereid_async.collector import Collector
from tests.helpers import wait_until
from tests.rough_tasks import OwnInterrupt


def test_a_collector_goes_on_whatever_its_handler_raises() -> None:
    handled: list[str] = []

    def handle(things: list[str]) -> None:
        handled.extend(things)
        raise OwnInterrupt("of a handler")

    collector: Collector[str] = Collector("test", handle, 0)
    for name in ("first", "second"):
        collector.add([name])
        wait_until(lambda name=name: name in handled)  # type: ignore[misc]
    collector.close()
