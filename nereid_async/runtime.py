"""All parts that serve the tasks of one database, in one frozen record.

A web app has its own (``app.extensions["nereid_async"]``), active while an app context
is. Any other Tryton process has one per database, built from trytond.conf at its first
use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from trytond.model import fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import settings as settings_module
from .brokers.base import Broker
from .database import connection_pool
from .database.errors import translated
from .deferred_batch import DeferredBatch
from .deferred_call import DeferredCall
from .errors import ConfigurationError, NoTransaction
from .messages.encryption import cipher_of
from .messages.message import WebRequest
from .messages.message_codec import MessageCodec
from .messages.outcome_codec import OutcomeCodec
from .messages.task_ids import NOBODY, Owner, TaskIds
from .queue_selection import is_ordered
from .results.base import ResultStore
from .rows import TaskRows
from .rows.database_identity import DatabaseIdentity
from .sending import Allowance, MessageSender, Sender
from .settings import Settings
from .tracing import OFF, OpenTelemetry, Tracing

MODULE = "async_sqs"

#: The models whose tables it works with.
TABLES = (
    "async.task",
    "async.run",
    "async.attempt",
    "async.batch",
    "async.queue",
    "async.worker",
    "async.identity",
)

#: Path of results for browsers; the task's id follows.
URL_PREFIX = "/async/result/"


@dataclass(frozen=True)
class Caller:
    """Who defers.

    :ivar owner: who may read the result over HTTP.
    :ivar web: the web request that defers; None outside of one.
    """

    owner: Owner = NOBODY
    web: WebRequest | None = None


#: Returns who defers; takes the delay in seconds, and whether the result is shared.
CallerFinder: TypeAlias = Callable[[float, bool], Caller]


def no_caller(delay_s: float, shared: bool) -> Caller:
    """The caller outside a web request: nobody reads the result unless it is shared."""
    return Caller(Owner("shared")) if shared else Caller()


@dataclass(frozen=True)
class Runtime:
    """The parts that serve one database.

    :ivar identity: distinguishes the database from others of its name.
    :ivar rows: the row protocol; None without an outbox.
    :ivar sender: passes committed calls to the broker.
    :ivar caller: returns who defers; called at each deferral.
    :ivar tracing: tells of what happens, in traces.
    :ivar web_context: restores, in a worker, the web context in which a task was
        deferred; None without a web app.
    :ivar result_url: returns the URL of a result for browsers, by the task's id.
    :ivar on_deferred: called with each call right after it was deferred; for tests.
    :ivar on_batch: called with each batch at the end of its block; for tests.
    """

    database: str
    settings: Settings
    codec: MessageCodec
    outcomes: OutcomeCodec
    task_ids: TaskIds
    identity: DatabaseIdentity
    rows: TaskRows | None
    broker: Broker
    results: ResultStore
    sender: Sender
    caller: CallerFinder
    tracing: Tracing
    web_context: Callable[[WebRequest], AbstractContextManager[None]] | None
    result_url: Callable[[str], str]
    on_deferred: Callable[[DeferredCall], None] | None = None
    on_batch: Callable[[DeferredBatch], None] | None = None

    @property
    def rows_are_messages(self) -> bool:
        """Whether workers claim the rows directly, so that nothing is sent."""
        return self.broker.rows_are_messages

    @property
    def needed_rows(self) -> TaskRows:
        """The row protocol, for what cannot be done without rows.

        :raises ConfigurationError: without an outbox there are none.
        """
        if self.rows is None:
            raise ConfigurationError(
                "without an outbox, tasks have no rows. Set outbox = yes"
            )
        return self.rows

    def send(
        self, calls: Sequence[DeferredCall], allowance: Allowance | None = None
    ) -> None:
        """Send committed calls, as far as they can be sent now. Never raises.

        A task with a longer delay waits in its row; the relay sends it.

        :param allowance: how much the present request may send itself; None outside of
            one.
        """
        limit_s = self.broker.max_delay_s
        ready = [
            call
            for call in calls
            if call.is_to_send and (limit_s is None or _delay_fits(call, limit_s))
        ]
        if ready:
            self.sender.send(ready, allowance)

    def load_pool(self) -> None:
        """Load the pool of the database, unless it is loaded, and check it.

        :raises ConfigurationError: the database has no Tryton in it, or the module is
            not activated, or not updated.
        :raises DatabaseUnavailable: the database is unreachable, or a standby, on which
            Tryton does not start.
        """
        with translated(self.database):
            if not connection_pool.holds_tryton(self.database):
                raise ConfigurationError(
                    f"database {self.database!r} has no Tryton in it; create it: "
                    f"trytond-admin -c trytond.conf -d {self.database} --all"
                )
            with Transaction().start(self.database, 0, readonly=True):
                Pool(self.database).init()
        self.check_database()
        self.check_tables()

    def check_database(self) -> None:
        """Check that the loaded pool of the database has our tables.

        :raises ConfigurationError: the module is not activated.
        """
        try:
            Pool(self.database).get("async.task")
        except KeyError:
            raise ConfigurationError(
                f"database {self.database!r} lacks the module {MODULE}; activate it: "
                f"{self._update_command}"
            ) from None

    def check_tables(self) -> None:
        """Check that our tables have the columns that this version needs.

        One statement per table, at the start of a process.

        :raises ConfigurationError: the module was not updated.
        """
        if self.rows is None:
            return
        for name in TABLES:
            model = Pool(self.database).get(name)
            needed = {
                field.name
                for field in model._fields.values()
                if not isinstance(field, fields.Function)
            }
            missing = sorted(needed - self.rows.columns(model._table))
            if missing:
                raise ConfigurationError(
                    f"database {self.database!r}: table {model._table} lacks the "
                    f"column(s) {', '.join(missing)} of this version of {MODULE}; "
                    f"update it: {self._update_command}"
                )

    @property
    def _update_command(self) -> str:
        return f"trytond-admin -c trytond.conf -d {self.database} -u {MODULE}"


def build(
    database: str,
    settings: Settings,
    caller: CallerFinder = no_caller,
    web_context: Callable[[WebRequest], AbstractContextManager[None]] | None = None,
    result_url: Callable[[str], str] = URL_PREFIX.__add__,
) -> Runtime:
    """Build the parts; opens no connection.

    :raises ConfigurationError: the names of queues are too long for SQS, or the package
        of an extra is not installed that a setting needs.
    """
    cipher = cipher_of(settings.encryption_key)
    outcomes = OutcomeCodec(cipher)
    all_rows = TaskRows(database, outcomes)
    rows = all_rows if settings.outbox else None
    identity = DatabaseIdentity(database)
    broker = _broker(identity, settings, all_rows, web=web_context is not None)
    codec = MessageCodec(settings.signing_key, settings.max_message_bytes, cipher)
    tracing = OpenTelemetry(settings.broker) if settings.tracing else OFF
    return Runtime(
        database=database,
        settings=settings,
        codec=codec,
        outcomes=outcomes,
        task_ids=TaskIds(settings.signing_key, database),
        identity=identity,
        rows=rows,
        broker=broker,
        results=_results(identity, settings, rows, all_rows, outcomes),
        sender=_sender(settings, database, broker, codec, rows, tracing),
        caller=caller,
        tracing=tracing,
        web_context=web_context,
        result_url=result_url,
    )


# Imported in the branches: boto3 takes long to import.
def _broker(
    identity: DatabaseIdentity, settings: Settings, rows: TaskRows, *, web: bool
) -> Broker:
    if settings.broker == "sqs":
        from .brokers.sqs import SqsBroker

        return SqsBroker(
            identity.database, settings, identity, rows if settings.outbox else None
        )
    from .brokers.database import DatabaseBroker

    return DatabaseBroker(rows, settings.visibility_timeout, web)


def _sender(
    settings: Settings,
    database: str,
    broker: Broker,
    codec: MessageCodec,
    rows: TaskRows | None,
    tracing: Tracing,
) -> Sender:
    if broker.rows_are_messages:
        return Sender(database)
    return MessageSender(
        database,
        broker,
        codec,
        rows,
        tracing,
        patience_s=settings.send_timeout,
        background=settings.send == "background",
    )


def _results(
    identity: DatabaseIdentity,
    settings: Settings,
    rows: TaskRows | None,
    all_rows: TaskRows,
    outcomes: OutcomeCodec,
) -> ResultStore:
    if settings.result_store == "sqs":
        from .results.sqs import SqsResults

        return SqsResults(identity.database, settings, rows, outcomes, identity)
    from .results.database import DatabaseResults

    return DatabaseResults(all_rows)


_active: ContextVar[tuple[Runtime, ...]] = ContextVar("nereid_async_active", default=())
_of_database: dict[str, Runtime] = {}
_lock = threading.Lock()


def activate(runtime: Runtime) -> None:
    """Make a runtime the current one of this context, until :func:`deactivate`."""
    _active.set((*_active.get(), runtime))


def deactivate(runtime: Runtime) -> None:
    """End the latest :func:`activate` of this runtime."""
    active = _active.get()
    if active and active[-1] is runtime:
        _active.set(active[:-1])


#: Returns the runtime that serves a database while a test captures what is deferred;
#: takes the database's name, and the runtime of the app, if one is current.
Substitute: TypeAlias = Callable[[str, "Runtime | None"], Runtime]

#: Of the whole process, since a test may defer in several threads; the last one counts.
_substitutes: list[Substitute] = []


@contextmanager
def substituted(substitute: Substitute) -> Iterator[None]:
    """Let others serve all databases of this process meanwhile; for tests."""
    _substitutes.append(substitute)
    try:
        yield
    finally:
        _substitutes.remove(substitute)


def in_use(runtime: Runtime) -> Runtime:
    """The runtime to use for one of an app: itself, unless a test captures."""
    if _substitutes:
        return _substitutes[-1](runtime.database, runtime)
    return runtime


def current() -> Runtime:
    """The runtime of the open transaction's database, or of the current app.

    :raises NoTransaction: there is neither.
    :raises ConfigurationError: the settings in trytond.conf are not usable.
    """
    active = _active.get()
    database = Transaction().database
    if database is None:
        if active:
            return in_use(active[-1])
        raise NoTransaction(
            "no Tryton transaction is open, so there is nothing to wait for; "
            "call defer inside `with Transaction().start(...)`"
        )
    if active and active[-1].database == database.name:
        return in_use(active[-1])
    if _substitutes:
        return _substitutes[-1](database.name, None)
    return of_database(database.name)


def forget_databases() -> None:
    """Let the next use of each database read trytond.conf again."""
    with _lock:
        _of_database.clear()


def of_database(database: str, *, signs: bool = True) -> Runtime:
    """The runtime of a database, built from trytond.conf at its first use.

    :param signs: whether to insist on a key; without one the next use builds another.
    :raises ConfigurationError: the settings in trytond.conf are not usable.
    """
    with _lock:
        runtime = _of_database.get(database)
        if runtime is None:
            runtime = build(database, settings_module.load(signs=signs))
            if runtime.settings.signing_key:
                _of_database[database] = runtime
        return runtime


def _delay_fits(call: DeferredCall, limit_s: float) -> bool:
    """Whether the message of a call may be sent now, with its delay.

    An ordered queue of SQS knows no delay of a message.
    """
    message = call.message
    return message.delay_s <= (0 if is_ordered(message.queue) else limit_s)
