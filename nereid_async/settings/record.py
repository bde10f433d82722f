"""Every option once: name, type, default, unit and range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any

from . import parsers
from .keys import keys
from .urls import masked

#: The old module's.
DEFAULT_QUEUE = "trytond-async"

SQS_RETENTION_MAX_S = 1_209_600


def _hidden(value: Any) -> str:
    return "***" if value else repr(value)


def _option(
    parse: Callable[[Any], Any],
    default: Any,
    doc: str,
    show: Callable[[Any], str] = repr,
) -> Any:
    return dataclass_field(
        default=default, metadata={"parse": parse, "doc": doc, "show": show}
    )


@dataclass(frozen=True, repr=False)
class Settings:
    """The settings of one app, or of one database where there is no app."""

    broker: str = _option(
        parsers.choice("database", "sqs", "memory"),
        "database",
        "What carries the messages: ``database``, ``sqs``, or ``memory`` for tests.",
    )
    results: str = _option(
        parsers.choice("", "database", "sqs", "memory"),
        "",
        "Where replies wait; empty: where the broker keeps them.",
    )
    outbox: bool = _option(
        parsers.boolean,
        True,
        "Whether each task has a row. ``no`` goes with ``sqs`` only, and gives up "
        "that nothing is lost and that effects are single.",
    )
    signing_key: tuple[bytes, ...] = _option(
        keys,
        (),
        "Secret that signs messages and ids, of 16 bytes or more; if not set, the "
        "app's SECRET_KEY, and its SECRET_KEY_FALLBACKS. Several, in a list or with "
        "commas or line ends between: the first signs, all are accepted, and a new one "
        "is put last at first.",
        _hidden,
    )
    encryption_key: tuple[bytes, ...] = _option(
        parsers.encryption_keys,
        (),
        "Key of Fernet's that encrypts arguments and results in rows and queues. "
        "Several, for rotation, as of ``signing_key``: the first encrypts.",
        _hidden,
    )
    only_tasks: bool = _option(
        parsers.boolean,
        False,
        "Refuse methods without decorator: where they are deferred by ``async.async``, "
        "and in the worker.",
    )
    public_errors: tuple[str, ...] = _option(
        parsers.names,
        (),
        "Exception classes whose texts visitors are told, with their modules, such as "
        "``shop.errors.SoldOut``; those that a class extends count, too.",
    )
    imports: tuple[str, ...] = _option(
        parsers.names,
        (),
        "Python modules with plain-function tasks, imported by the worker.",
    )
    visibility_timeout: int = _option(
        parsers.whole(1, 43_200),
        60,
        "Seconds a worker holds a task without a sign of life, 1 to 43200.",
    )
    max_attempts: int = _option(
        parsers.whole(1, 1_000), 5, "Attempts before a task is given up, 1 to 1000."
    )
    result_ttl: float = _option(
        parsers.number(60, 1_209_600),
        3_600.0,
        "Seconds a result stays readable, 60 to 1209600 (14 days).",
    )
    row_ttl: float = _option(
        parsers.number(3_600, 31_536_000),
        1_296_000.0,
        "Seconds the row of a finished task is kept, 3600 to 31536000; with sqs "
        "longer than the queue keeps messages (14 days). Default: 15 days.",
    )
    poll_max_wait: float = _option(
        parsers.number(0, 60),
        0.0,
        "Longest ``?wait=`` a poll may ask for, 0 to 60 seconds.",
    )
    poll_max_held: int | None = _option(
        parsers.whole(0, 1_000),
        None,
        "Most polls that a process holds at a time, 0 to 1000; the others are answered "
        "at once. Not set: 4, and none where the server has one thread a process. A "
        "quarter of the server's threads is a good number.",
    )
    poll_headers: tuple[tuple[str, str], ...] = _option(
        parsers.poll_headers,
        (),
        "Headers of the answers to polls: a dict, or one ``Name: value`` a line.",
    )
    base_url: tuple[tuple[str, str], ...] = _option(
        parsers.base_urls,
        (),
        "Where the links in tasks lead, such as ``https://shop.example.com/``; for "
        "several websites a dict of their names and URLs. Not set: the request's own "
        "host, if it is the website's name or in the app's TRUSTED_HOSTS.",
    )
    fast_poll: bool = _option(
        parsers.boolean,
        True,
        "Whether polls are answered before Nereid's dispatch, and so without the "
        "app's ``before_request`` and ``after_request`` handlers.",
    )
    max_message_bytes: int = _option(
        parsers.whole(1_024, 1_048_576),
        1_048_576,
        "Largest message and result, in bytes, 1024 to 1048576 (SQS's own limit).",
    )
    unknown_grace: float = _option(
        parsers.number(0, 43_200),
        900.0,
        "Seconds a task that no worker can take is kept for a newer one, 0 to 43200.",
    )
    resend_after: float = _option(
        parsers.number(60, 1_209_600),
        3_600.0,
        "Seconds after which a message that was sent, has not run and does not wait in "
        "its queue is sent again, 60 to 1209600.",
    )
    bare_max_age: float = _option(
        parsers.number(60, SQS_RETENTION_MAX_S),
        float(SQS_RETENTION_MAX_S),
        "Seconds after its due time at which a message of ``outbox = no`` does not run "
        "any more, 60 to 1209600 (14 days, for which SQS keeps a message).",
    )
    send: str = _option(
        parsers.choice("request", "background"),
        "request",
        "Who calls the queue service: the ``request`` after its commit, or a thread "
        "of the process, in the ``background``, for all requests together.",
    )
    send_timeout: float = _option(
        parsers.number(0.1, 60),
        2.0,
        "Seconds a request waits for the queue service after its commit, 0.1 to 60.",
    )
    sqs_region: str = _option(
        parsers.text, "", "AWS region; empty: boto3's own choice."
    )
    sqs_access_key: str = _option(
        parsers.text,
        "",
        "AWS access key; empty: boto3's own chain of credentials.",
        _hidden,
    )
    sqs_secret_key: str = _option(
        parsers.text, "", "AWS secret key, with sqs_access_key.", _hidden
    )
    sqs_queue: str = _option(
        parsers.queue_name, DEFAULT_QUEUE, "Name of the default queue."
    )
    sqs_queue_owner: str = _option(
        parsers.account,
        "",
        "AWS account id of the owner of the task queues, if another one. Queues of "
        "another account are never created.",
    )
    sqs_queue_prefix: str = _option(
        parsers.name_part, "", "Put before each queue's name, with a hyphen."
    )
    sqs_create_queues: bool = _option(
        parsers.boolean,
        True,
        "Whether queues that are missing are created. ``no`` takes those that are "
        "there, and goes with ``results = database``: a reply queue is always new.",
    )
    sqs_wait_time: int = _option(
        parsers.whole(0, 20),
        20,
        "Seconds one receive waits, 0 to 20. A worker that is told to stop waits that "
        "long at most; shorter waits cost more requests.",
    )
    sqs_endpoint_url: str = _option(
        parsers.url,
        "",
        "URL of an SQS-compatible server; a user and password in it are not used.",
        lambda url: repr(masked(url)),
    )

    @property
    def result_store(self) -> str:
        """Where replies wait: the setting, or the broker's own place."""
        return self.results or self.broker

    def described(self) -> dict[str, str]:
        """Name and value of every option, for a log; secrets are masked."""
        return {
            option.name: option.metadata["show"](getattr(self, option.name))
            for option in fields(self)
        }

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={it}" for name, it in self.described().items())
        return f"Settings({shown})"
