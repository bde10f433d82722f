"""The options of a worker: queues, the threads given to them, an address."""

from __future__ import annotations

import pytest

from nereid_async.errors import ConfigurationError
from nereid_async.settings import Settings
from nereid_async.worker.options import Pool, WorkerOptions, http_address, queue_options

SETTINGS = Settings(signing_key=(b"k",))


def test_without_numbers_all_threads_work_on_all_queues() -> None:
    options = WorkerOptions(**queue_options(["mail", "reports"], 4))
    assert options.pools_or_default(SETTINGS) == (Pool(("mail", "reports"), 4),)
    assert options.named_queues == ["mail", "reports"]


def test_nothing_named_is_the_default_queue() -> None:
    options = WorkerOptions(**queue_options([], 2))
    (pool,) = options.pools_or_default(SETTINGS)
    assert pool == Pool(("trytond-async",), 2)
    assert options.named_queues == []


def test_threads_are_given_to_queues() -> None:
    options = WorkerOptions(**queue_options(["mail:2", "reports:1", "*:3"], None))
    assert options.threads == 6
    mail, reports, others = options.pools_or_default(SETTINGS)
    assert (mail, reports) == (Pool(("mail",), 2), Pool(("reports",), 1))
    assert others == Pool(("*",), 3)
    assert options.elsewhere(others) == {"mail", "reports"}
    assert options.named_queues == ["mail", "reports"]


@pytest.mark.parametrize(
    ("words", "threads", "said"),
    [
        (["mail:0"], None, "--queue mail:0"),
        (["mail:"], None, "--queue mail:"),
        (["mail:two"], None, "--queue mail:two"),
        (["mail:-1"], None, "--queue mail:-1"),
        (["mail:1:2"], None, "--queue mail:1:2"),
        (["mail:1", "reports"], None, "--queue reports beside --queue mail:1"),
        (["mail:1", "mail:2"], None, "--queue mail is given twice"),
        (["mail", "mail"], None, "--queue mail is given twice"),
        (["mail:2"], 2, "--threads 2 beside --queue mail:2"),
        (["mail:200", "reports:100"], None, "300 threads"),
    ],
)
def test_what_does_not_go_together(
    words: list[str], threads: int | None, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        queue_options(words, threads)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9100", ("127.0.0.1", 9100)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9100", ("::1", 9100)),
    ],
)
def test_an_address_for_http(text: str, address: tuple[str, int]) -> None:
    assert http_address(text) == address


@pytest.mark.parametrize(
    "text", ["9100", ":9100", "::1:9100", "[::1]", "a:b", "a:65536", "a:-1", "a:"]
)
def test_what_is_no_address_for_http(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected HOST:PORT"):
        http_address(text)
