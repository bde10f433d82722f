"""The works as tasks of ours: the transaction is there already."""

from __future__ import annotations

from benchmarks.contenders import work
from nereid_async import async_task


@async_task
def tiny(sent_at_s: float) -> None:
    work.begin(sent_at_s)
    work.write()


@async_task
def nothing(sent_at_s: float) -> None:
    work.begin(sent_at_s)


@async_task
def long(sent_at_s: float) -> None:
    work.begin(sent_at_s)
    work.wait()
    work.write()
