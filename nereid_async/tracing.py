"""Traces: spans of OpenTelemetry for deferring, sending and running a task.

The names are those of OpenTelemetry's semantic conventions for messaging. The context
of the span ``create`` travels with the message, as W3C Trace Context, and is the parent
of ``process``, so that one trace leads from a request to its tasks, and to theirs.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .deferred_call import DeferredCall
from .errors import ConfigurationError
from .messages.message import Message

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context

#: By ``messaging.system``: the values of our own, and that of the conventions.
_SYSTEMS = {"sqs": "aws_sqs"}
_OUR_SYSTEM = "nereid_async"
#: How long a process that ends may take to export its spans, in milliseconds.
_FLUSH_MAX_MS = 5_000


class Span:
    """What is to be told of an operation; nobody listens to this one."""

    def failed(self, error: BaseException) -> None:
        """Note an error, of which only type and place are told: a text may be secret.

        It may be told that an operation with several messages has failed for several
        reasons; the last one counts.
        """

    def ended(self, outcome: str) -> None:
        """Note what became of a run."""


class Tracing:
    """No tracing: nothing is imported, nothing made, nothing noted."""

    def __init__(self) -> None:
        self._nothing = nullcontext(Span())

    def deferred(self, message: Message) -> Message:
        """Tell that a message was made.

        :returns: the message, with the trace context that travels with it.
        """
        return message

    def sending(self, calls: Sequence[DeferredCall]) -> AbstractContextManager[Span]:
        """Tell what happens in the context: calls are sent together."""
        return self._nothing

    def running(self, message: Message, attempt: int) -> AbstractContextManager[Span]:
        """Tell what happens in the context: a task has an attempt.

        :param attempt: which one, from 1.
        """
        return self._nothing

    def flush(self) -> None:
        """Export the spans that have ended, as the process is about to end."""


#: For whoever does not trace.
OFF = Tracing()


class OpenTelemetry(Tracing):
    """Spans for the tracer provider of the process, whenever that is set.

    Thread-safe; survives a fork as far as the provider does.

    :param broker: name of the broker, as in the settings.
    :raises ConfigurationError: the package opentelemetry-api is not installed.
    """

    def __init__(self, broker: str) -> None:
        super().__init__()
        try:
            from opentelemetry import context, trace
            from opentelemetry.trace.propagation import tracecontext
        except ImportError:
            raise ConfigurationError(
                "setting tracing needs the package opentelemetry-api: "
                "pip install 'nereid_async[tracing]'"
            ) from None
        self._trace = trace
        self._no_context = context.Context
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        self._tracer = trace.get_tracer(_OUR_SYSTEM, __version__)
        self._system = _SYSTEMS.get(broker, _OUR_SYSTEM)

    def deferred(self, message: Message) -> Message:
        span = self._tracer.start_span(
            f"create {message.queue}",
            kind=self._trace.SpanKind.PRODUCER,
            attributes=self._of_message("create", message),
        )
        # Only W3C Trace Context: baggage may hold anything.
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(span))
        span.end()
        return replace(message, trace=carrier or None)

    def sending(self, calls: Sequence[DeferredCall]) -> AbstractContextManager[Span]:
        messages = [call.message for call in calls]
        attributes = self._attributes("send", {it.queue for it in messages})
        attributes["messaging.batch.message_count"] = len(messages)
        if len(messages) == 1:
            attributes["messaging.message.id"] = messages[0].id
        made_in = [self._context(it) for it in messages]
        return self._current(
            attributes,
            kind=self._trace.SpanKind.CLIENT,
            links=[link for context in made_in for link in self._links(context)],
        )

    def running(self, message: Message, attempt: int) -> AbstractContextManager[Span]:
        attributes = self._of_message("process", message)
        attributes["nereid_async.attempt"] = attempt
        made_in = self._context(message)
        return self._current(
            attributes,
            kind=self._trace.SpanKind.CONSUMER,
            context=made_in,
            links=self._links(made_in),
        )

    def flush(self) -> None:
        # Of the SDK's provider: the API knows none.
        flush = getattr(self._trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            flush(_FLUSH_MAX_MS)

    def _current(self, attributes: dict[str, Any], **options: Any) -> _CurrentSpan:
        operation = attributes["messaging.operation.name"]
        queue = attributes.get("messaging.destination.name", "")
        span = self._tracer.start_span(
            f"{operation} {queue}".rstrip(), attributes=attributes, **options
        )
        return _CurrentSpan(span, self._trace)

    def _of_message(self, operation: str, message: Message) -> dict[str, Any]:
        attributes = self._attributes(operation, {message.queue})
        attributes["messaging.message.id"] = message.id
        attributes["nereid_async.task"] = message.target.name
        return attributes

    def _attributes(self, operation: str, queues: set[str]) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "messaging.system": self._system,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
        }
        if len(queues) == 1:
            (attributes["messaging.destination.name"],) = queues
        return attributes

    def _context(self, message: Message) -> Context:
        """The context in which a message was made; an empty one if it has none."""
        return self._propagator.extract(message.trace or {}, self._no_context())

    def _links(self, context: Context) -> list[trace.Link]:
        """A link to the span that is the current one in a context, if any is."""
        span = self._trace.get_current_span(context).get_span_context()
        return [self._trace.Link(span)] if span.is_valid else []


class _CurrentSpan(Span):
    """A span of OpenTelemetry: the current one in the context, with which it ends.

    By itself, since the SDK's own context manager would tell the texts of errors.

    :param api: the module ``opentelemetry.trace``.
    """

    def __init__(self, span: trace.Span, api: Any) -> None:
        self._span = span
        self._api = api
        self._current = api.use_span(
            span,
            end_on_exit=True,
            record_exception=False,
            set_status_on_exception=False,
        )

    def __enter__(self) -> Span:
        self._current.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        if error is not None:
            self.failed(error)
        self._current.__exit__(None, None, None)

    def failed(self, error: BaseException) -> None:
        kind = type(error)
        name = kind.__qualname__
        if kind.__module__ != "builtins":
            name = f"{kind.__module__}.{name}"
        frames = "".join(traceback.format_tb(error.__traceback__))
        self._span.set_attribute("error.type", name)
        self._span.set_status(self._api.StatusCode.ERROR)
        self._span.add_event(
            "exception",
            {"exception.type": name, "exception.stacktrace": f"{frames}{name}"},
        )

    def ended(self, outcome: str) -> None:
        self._span.set_attribute("nereid_async.outcome", outcome)
