"""Every setting once: name, type, default, unit and range, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any

from ..limits import (
    ATTEMPTS_MAX,
    MESSAGE_MAX_BYTES,
    RETRY_DELAY_MAX_S,
    SQS_LONG_POLL_MAX_S,
    SQS_MESSAGE_MAX_BYTES,
    SQS_RETENTION_MAX_S,
    SQS_VISIBILITY_MAX_S,
    TIME_LIMIT_MAX_S,
)
from . import parsers
from .urls import masked

#: The name that the old module used.
DEFAULT_QUEUE = "trytond-async"

#: Polls that a process holds at the same time by default: a quarter of a common
#: server's threads, or less.
DEFAULT_POLLS_HELD = 4

_DAY_S = 86_400


def _hidden(value: Any) -> str:
    return "***" if value else ""


def _as_it_is(value: Any) -> Any:
    return value


def _written(value: Any) -> str:
    """A value as it stands in trytond.conf; empty if there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _option(
    parse: parsers.Parser[Any],
    default: Any,
    doc: str,
    *,
    unit: str = "",
    unset: str = "",
    show: Callable[[Any], Any] = _as_it_is,
) -> Any:
    """Declare a setting.

    :param doc: what it does, as reStructuredText for docs/reference/settings.rst.
    :param unit: its unit, in words.
    :param unset: what holds where the default is empty, in words.
    :param show: the value without its secrets.
    """
    metadata = {
        "parse": parse,
        "doc": doc,
        "unit": unit,
        "unset": unset,
        "show": show,
    }
    return dataclass_field(default=default, metadata=metadata)


@dataclass(frozen=True, repr=False)
class Settings:
    """The settings of one app, or of one database where there is no app."""

    broker: str = _option(
        parsers.choice("database", "sqs"),
        "database",
        "What carries the messages.",
    )
    results: str = _option(
        parsers.choice("", "database", "sqs"),
        "",
        "Where results wait for their owner. ``database`` is recommended with the "
        "broker ``sqs`` above a few results a second: on SQS each waits in a reply "
        "queue of its own.",
        unset="where the broker keeps them",
    )
    outbox: bool = _option(
        parsers.boolean,
        True,
        "Whether each task has a row. ``no`` goes with the broker ``sqs`` only. Then a "
        "task is lost if the process dies, or SQS is unreachable, after the commit, "
        "and a message that SQS delivers twice runs twice.",
    )
    signing_key: tuple[bytes, ...] = _option(
        parsers.signing_keys,
        (),
        "Secret that signs messages and task ids; the same in all web processes and "
        "workers. The first of several signs, all are accepted. A new key is appended "
        "everywhere before it is put first.",
        unset="the app's ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``",
        show=_hidden,
    )
    encryption_key: tuple[bytes, ...] = _option(
        parsers.encryption_keys,
        (),
        "Encrypts arguments and results in rows and queues, see "
        "``docs/reference/data.rst``. The first of several encrypts, all decrypt. A "
        "new key is appended everywhere before it is put first.",
        unset="no encryption",
        show=_hidden,
    )
    only_tasks: bool = _option(
        parsers.boolean,
        False,
        "Refuse methods without the decorator ``async_task``: in ``async.async`` when "
        "they are deferred, and in the worker.",
    )
    public_errors: tuple[str, ...] = _option(
        parsers.names,
        (),
        "Exception classes whose texts the owner of a task may read, with their "
        "modules, such as ``shop.errors.SoldOut``. Subclasses are included, and so are "
        "Tryton's ``UserError`` and ``UserWarning``.",
        unset="no others",
    )
    imports: tuple[str, ...] = _option(
        parsers.names,
        (),
        "Python modules that the worker imports at its start, for tasks that are plain "
        "functions.",
        unset="none",
    )
    visibility_timeout: int = _option(
        parsers.whole(1, SQS_VISIBILITY_MAX_S),
        60,
        "How long a worker's claim of a task holds without a heartbeat. After that "
        "another worker may take the task. A running task may take much longer: the "
        "worker extends the claim while the task runs.",
        unit="seconds",
    )
    max_attempts: int = _option(
        parsers.whole(1, ATTEMPTS_MAX),
        5,
        "Attempts after which a task that raises an exception has failed.",
    )
    time_limit: float | None = _option(
        parsers.positive(TIME_LIMIT_MAX_S),
        None,
        "How long an attempt of a task may take. After that its running SQL statement "
        "is cancelled, ``TimeLimitExceeded`` is raised in it, and the attempt has "
        "failed. It is noted when a task is deferred.",
        unit="seconds",
        unset="no limit",
    )
    time_limit_grace: float = _option(
        # Less would be too short for those that can be interrupted.
        parsers.number(0.1, TIME_LIMIT_MAX_S),
        30.0,
        "How long a task may take to end after it was told to, at its time limit or "
        "by an interrupting cancel. One that has not ended then, since it waits "
        "outside of Python, is ended with its process, which is replaced.",
        unit="seconds",
    )
    retry_delay: float = _option(
        parsers.positive(RETRY_DELAY_MAX_S),
        1.0,
        "Delay before the second attempt of a task that has failed. Each further one "
        "doubles it, up to an hour, and each is cut by up to a half at random, so that "
        "tasks that failed together do not come again together.",
        unit="seconds",
    )
    result_ttl: float = _option(
        parsers.number(60, SQS_RETENTION_MAX_S),
        3_600.0,
        "How long a result stays readable after its task has finished.",
        unit="seconds",
    )
    row_ttl: float = _option(
        parsers.number(3_600, 365 * _DAY_S),
        15.0 * _DAY_S,
        "How long the row of a finished task is kept. With the broker ``sqs`` it must "
        "be longer than queues keep messages, which is 14 days: a message delivered "
        "after its row is gone cannot be recognised as done.",
        unit="seconds",
    )
    poll_max_wait: float = _option(
        parsers.number(0, 60),
        0.0,
        "Longest ``?wait=`` that a poll of the browser may ask for. A poll that waits "
        "holds a thread of the server.",
        unit="seconds",
    )
    poll_max_held: int | None = _option(
        parsers.whole(0, 1_000),
        None,
        "Polls that wait at the same time in one process, at most; any further poll is "
        "answered at once. A quarter of the server's threads is a good number.",
        unset=f"{DEFAULT_POLLS_HELD}; 0 where the server's processes have one thread "
        "each",
    )
    poll_headers: tuple[tuple[str, str], ...] = _option(
        parsers.poll_headers,
        (),
        "Headers added to the answers to polls.",
        unset="none",
    )
    base_url: tuple[tuple[str, str], ...] = _option(
        parsers.base_urls,
        (),
        "Base of the links that tasks make, such as ``https://shop.example.com/``.",
        unset="the request's own host, if it is the website's name or in the app's "
        "``TRUSTED_HOSTS``",
    )
    fast_poll: bool = _option(
        parsers.boolean,
        True,
        "Whether polls are answered before Nereid's dispatch, and so without the app's "
        "``before_request`` and ``after_request`` handlers.",
    )
    max_message_bytes: int = _option(
        parsers.whole(1_024, MESSAGE_MAX_BYTES),
        SQS_MESSAGE_MAX_BYTES,
        "Size of a call with its arguments, and of a result, at most. Both are in the "
        "row; with ``outbox = no`` they travel, and SQS takes 1,048,576 bytes. Each is "
        "held in memory by who defers it and who runs it.",
        unit="bytes",
    )
    unknown_grace: float = _option(
        parsers.number(0, SQS_VISIBILITY_MAX_S),
        900.0,
        "How long a task that a worker cannot run (its name, arguments, message format "
        "or key is unknown) is released for a newer worker, counted from the first "
        "receive. After that it fails, and its message goes to the dead letters.",
        unit="seconds",
    )
    resend_after: float = _option(
        parsers.number(60, SQS_RETENTION_MAX_S),
        3_600.0,
        "Age at which a message is sent again that was sent, has not run, and is not "
        "in its queue any more.",
        unit="seconds",
    )
    bare_max_age: float = _option(
        parsers.number(60, SQS_RETENTION_MAX_S),
        float(SQS_RETENTION_MAX_S),
        "With ``outbox = no``: age, counted from its due time, at which a message is "
        "not run any more but goes to the dead letters. The default is as long as "
        "queues keep messages.",
        unit="seconds",
    )
    send: str = _option(
        parsers.choice("request", "background"),
        "request",
        "Who sends messages to SQS: each ``request`` after its commit, or one thread "
        "of the process in the ``background`` for all requests. A request sends "
        "fifty; what is beyond is left to that thread anyway, if there are rows.",
    )
    send_timeout: float = _option(
        parsers.number(0.1, 60),
        2.0,
        "How long a request waits for SQS after its commit. What was not sent by then "
        "is sent in the background, or waits in its row, and the relay sends it. After "
        "three failures in a row requests do not wait for some seconds.",
        unit="seconds",
    )
    tracing: bool = _option(
        parsers.boolean,
        False,
        "Whether there are spans of OpenTelemetry for what is deferred, sent and run. "
        "Needs the extra ``tracing``.",
    )
    sqs_region: str = _option(
        parsers.text, "", "AWS region.", unset="as boto3 finds it"
    )
    sqs_access_key: str = _option(
        parsers.text,
        "",
        "AWS access key; goes with ``sqs_secret_key``.",
        unset="boto3's own chain of credentials",
        show=_hidden,
    )
    sqs_secret_key: str = _option(
        parsers.text,
        "",
        "AWS secret key; goes with ``sqs_access_key``.",
        unset="boto3's own chain of credentials",
        show=_hidden,
    )
    sqs_queue: str = _option(
        parsers.queue_name, DEFAULT_QUEUE, "Short name of the default queue."
    )
    sqs_queue_owner: str = _option(
        parsers.account,
        "",
        "AWS account that owns the task queues, if it is not the credentials' own. "
        "Queues of another account are never created.",
        unset="the account of the credentials",
    )
    sqs_queue_prefix: str = _option(
        parsers.name_part,
        "",
        "Put before the name of each queue, with a hyphen. Two databases of one name "
        "on one account need two prefixes.",
        unset="no prefix",
    )
    sqs_create_queues: bool = _option(
        parsers.boolean,
        True,
        "Whether missing queues are created. ``no`` needs ``results = database``, "
        "since each reply queue is a new one.",
    )
    sqs_wait_time: int = _option(
        parsers.whole(0, SQS_LONG_POLL_MAX_S),
        SQS_LONG_POLL_MAX_S,
        "How long one receive waits for messages. A worker that is told to stop waits "
        "for that long at most; shorter waits cost more requests.",
        unit="seconds",
    )
    sqs_endpoint_url: str = _option(
        parsers.url,
        "",
        "URL of an SQS-compatible server; a user and password in it are not used.",
        unset="AWS",
        show=masked,
    )

    @property
    def result_store(self) -> str:
        """Where replies wait: the setting, or the broker's own place."""
        return self.results or self.broker

    def shown(self) -> dict[str, Any]:
        """Name and value of every option; secrets are masked."""
        return {
            option.name: option.metadata["show"](getattr(self, option.name))
            for option in fields(self)
        }

    def described(self) -> dict[str, str]:
        """The same as text, as in ``trytond.conf``; empty where there is none."""
        return {name: _written(value) for name, value in self.shown().items()}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={it}" for name, it in self.described().items())
        return f"Settings({shown})"
