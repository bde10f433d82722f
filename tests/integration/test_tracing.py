"""Traces: from a request to its task, and to the tasks that this one defers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from devtools.browser import Browser
from devtools.workers import burst
from nereid_async import runtime
from nereid_async.errors import ConfigurationError
from nereid_async.settings import Settings
from tests.fixtures.apps import AppFactory
from tests.helpers import query
from tests.marks import once

QUEUE = "trytond-async"
SECRET = "the password is sesame"


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """Keeps the spans of this process, which can have one provider only."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


class Spans:
    """What was exported since the test began."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        """All of them, in the order in which they have ended."""
        return self._exporter.get_finished_spans()

    def named(self, operation: str) -> list[ReadableSpan]:
        """Those of an operation with the default queue, in order."""
        return [span for span in self.all if span.name == f"{operation} {QUEUE}"]


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[Spans]:
    exporter.clear()
    yield Spans(exporter)
    exporter.clear()


@pytest.fixture
def app(app_factory: AppFactory, broker_config: dict[str, str]) -> Any:
    """An app on each of the brokers, with tracing."""
    return app_factory(**broker_config, ASYNC_TRACING="yes")


@pytest.fixture
def request_span(client: Browser) -> Callable[..., ReadableSpan]:
    """Lets a view defer a task within a span, as the WSGI instrumentation makes it."""

    def defer(task: str, *args: Any, **order: Any) -> Any:
        client.csrf_token()
        with trace.get_tracer("wsgi").start_as_current_span("POST") as span:
            client.defer(task, *args, **order)
        return span

    return defer


def context_id(span: ReadableSpan | trace.Span) -> int:
    """The id of a span."""
    return span.get_span_context().span_id  # type: ignore[union-attr]


def parent_id(span: ReadableSpan) -> int | None:
    """The id of a span's parent."""
    return span.parent.span_id if span.parent else None


def test_one_trace_from_a_request_to_the_task_that_its_task_defers(
    app: Any,
    request_span: Callable[..., Any],
    spans: Spans,
    broker_settings: dict[str, str],
    database: str,
) -> None:
    request = request_span("chain", "label")
    burst(app)
    created, then_created = spans.named("create")
    processed, then_processed = spans.named("process")
    assert parent_id(created) == context_id(request)
    assert parent_id(processed) == context_id(created)
    assert parent_id(then_created) == context_id(processed)
    assert parent_id(then_processed) == context_id(then_created)
    assert len({span.context.trace_id for span in spans.all}) == 1
    on_sqs = broker_settings["broker"] == "sqs"
    # The rows are the messages of the other one: nothing is sent.
    assert len(spans.named("send")) == (2 if on_sqs else 0)
    for sent, creating, asker in zip(
        spans.named("send"), [created, then_created], [request, processed], strict=False
    ):
        assert sent.kind is SpanKind.CLIENT
        assert parent_id(sent) == context_id(asker)
        assert [link.context.span_id for link in sent.links] == [context_id(creating)]
    ids = [id for (id,) in query(database, "SELECT uuid FROM async_task ORDER BY id")]
    common = {
        "messaging.system": "aws_sqs" if on_sqs else "nereid_async",
        "messaging.destination.name": QUEUE,
        "messaging.message.id": ids[0],
        "nereid_async.task": "async_test.record.chain",
    }
    assert created.kind is SpanKind.PRODUCER
    assert created.attributes == common | {
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
    }
    assert processed.kind is SpanKind.CONSUMER
    assert processed.attributes == common | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "nereid_async.attempt": 1,
        "nereid_async.outcome": "done",
    }
    assert [link.context.span_id for link in processed.links] == [context_id(created)]
    assert processed.status.status_code is StatusCode.UNSET


def test_a_failed_task_tells_where_it_failed_and_nothing_that_may_be_secret(
    app: Any, request_span: Callable[..., Any], spans: Spans
) -> None:
    request_span("fail", SECRET)
    burst(app)
    (processed,) = spans.named("process")
    assert processed.status.status_code is StatusCode.ERROR
    assert processed.attributes is not None
    assert processed.attributes["error.type"] == "ValueError"
    assert processed.attributes["nereid_async.outcome"] == "failed"
    (event,) = processed.events
    assert event.name == "exception"
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "ValueError"
    assert "in fail\n" in str(event.attributes["exception.stacktrace"])
    assert SECRET not in "".join(span.to_json() for span in spans.all)


@once
def test_each_attempt_is_a_span(
    app: Any,
    request_span: Callable[..., Any],
    spans: Spans,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "nereid_async")
    configure = {"retry_delay": 0.01}
    request_span("fail_times", str(tmp_path / "runs"), 1, configure=configure)
    for _ in range(20):
        burst(app)
        if len(spans.named("process")) == 2:
            break
    (created,) = spans.named("create")
    first, second = spans.named("process")
    assert {parent_id(first), parent_id(second)} == {context_id(created)}
    assert first.attributes is not None and second.attributes is not None
    told = "nereid_async.attempt", "nereid_async.outcome"
    assert [first.attributes[it] for it in told] == [1, "retried"]
    assert [second.attributes[it] for it in told] == [2, "done"]
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET
    trace_id = trace.format_trace_id(created.context.trace_id)
    lines = [it for it in caplog.records if hasattr(it, "outcome")]
    assert [(it.outcome, it.trace_id) for it in lines] == [  # type: ignore[attr-defined]
        ("retried", trace_id),
        ("done", trace_id),
    ]


@once
def test_a_run_that_a_task_has_asked_for_is_no_error(
    app: Any, request_span: Callable[..., Any], spans: Spans, tmp_path: Path
) -> None:
    request_span("retry_now", str(tmp_path / "runs"), 1)
    burst(app)
    assert [span.status.status_code for span in spans.named("process")] == [
        StatusCode.UNSET,
        StatusCode.UNSET,
    ]


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)
def test_a_sending_that_fails(
    app_factory: AppFactory,
    broker_config: dict[str, str],
    nowhere: str,
    spans: Spans,
) -> None:
    away = {"ASYNC_SQS_ENDPOINT_URL": nowhere, "ASYNC_SEND_TIMEOUT": "0.2"}
    app = app_factory(**broker_config | away, ASYNC_TRACING="yes")
    Browser(app).defer("echo", "it")
    (sent,) = spans.named("send")
    assert sent.status.status_code is StatusCode.ERROR
    assert sent.attributes is not None
    assert "Transport" in str(sent.attributes["error.type"])


@once
def test_without_the_setting_there_are_none(
    app_factory: AppFactory, broker_config: dict[str, str], spans: Spans, database: str
) -> None:
    app = app_factory(**broker_config)
    with trace.get_tracer("wsgi").start_as_current_span("POST"):
        Browser(app).defer("chain", "label")
    burst(app)
    assert [span.name for span in spans.all] == ["POST"]
    assert not query(
        database, "SELECT 1 FROM async_task WHERE message LIKE '%traceparent%'"
    )


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"nereid_async\[tracing\]"):
        runtime.build("shop", Settings(signing_key=(b"key",), tracing=True))
