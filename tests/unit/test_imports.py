"""Who may import whom: the layers of the package, and no work at import."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "nereid_async"

#: The layers of the package from the top down: a file may import what stands in a line
#: below its own, and nothing of its own line or above. A folder's name stands for its
#: ``__init__``.
LAYERS = """
testing.pytest_plugin
testing
testing.unittest
testing.capture
testing.assertions testing.running testing.substitutes
testing.expectation
testing.captured_batch
testing.captured_call
testing.batch_record
testing.call_record testing.texts
shop
shop.app
shop.loading
extension
cli
cli.actions cli.batches cli.check cli.dead cli.maintenance cli.queues cli.shop
cli.status cli.worker
shop.database
shop.libmagic
cli.tasks cli.workers
cli.groups cli.logs cli.output cli.selecting
cli.loading
pausing
module
module.many
module.actions module.async_ module.error module.hour module.queue_status
module.task
module.attempt module.batch module.queue module.run module.worker
module.acting module.data module.identity module.indexes module.series_7_0
module.progress_bar module.shown_status module.telling module.timestamp
web.templates
web.routes
web.fast_poll
web.held_polls web.parts
web.caller web.endpoint web.frameworks
web.flask_tryton_app web.nereid_app
web.framework
web.hosts web.login web.origin web.owner_cookie web.owners web.sessions
web.visitor
web
worker.start
worker.supervisor
worker.monitoring
worker.http_process
worker.child
worker.process
worker.pollers
worker.poller
worker.poll_state
worker.dispatch
worker.intake worker.runner_threads
worker.aborted_runs worker.runner worker.unclaimed
worker.maintenance.relay worker.message_checks worker.settlement
worker.execution worker.interrupt worker.maintenance.reaper worker.maintenance.resending
worker.maintenance.batches worker.maintenance.cron
worker.announce worker.notices
worker.lease worker.message_origin worker.public_errors worker.registration
worker.run_log
worker.service_log worker.start_checks
worker.attempt worker.call worker.extender worker.held_members worker.outage
worker.prefetch
worker.database_sessions worker.health_monitor worker.http_server worker.job
worker.delivery_row
worker.health_file worker.health_state worker.heartbeats worker.options
worker.poll_token worker.retry worker.service_manager
worker.intervals worker.maintenance.rounds worker.thread_alive worker.tracebacks
worker.maintenance
worker
mail
task
batches task_types
prepared_call
deferral
task_options
result
dead_letters
cancelling retrying
batch_end
pending
open_items
unique
runtime
sending
tracing
deferred_batch
deferred_call
brokers.sqs results.database results.sqs
brokers.database brokers.sqs_consumer brokers.sqs_dead_letters
brokers.sqs_receiver brokers.sqs_sender
brokers.base brokers.paused_queues results.base
brokers.dead_letters
brokers results
sqs.rights sqs.task_queues
sqs.client sqs.queue_names sqs.message_group
sqs.circuit_breaker
sqs.direct_calls
sqs
rows.database_identity metrics.exposition
metrics.queues metrics.multiprocess
metrics
metrics.recording
metrics.families
rows
rows.batches
rows.cancel rows.claims rows.maintenance rows.outbox rows.requeue rows.resends rows.runs
rows.attempts rows.groups rows.unique
rows.identity rows.listing rows.overview rows.queues rows.status
rows.batch_status rows.rates rows.workers
rows.statements
rows.due rows.records
start
current targets
database.session_limits
database.running_statements database.connections
database.connection_pool
database.driver
database.psycopg_2 database.psycopg_3
database.errors database.fork_gate
database
messages.message_codec messages.outcome_codec
messages.browser_json messages.message messages.outcome messages.readable
messages.unverified
messages.pointer messages.serialization
messages.attributes messages.encryption messages.signing messages.values
messages.wire_fields
messages.task_ids
messages
settings
settings.loading
settings.record
settings.parsers
settings.headers settings.keys settings.urls
signals versions wakeup
throttled_log batcher membership text_options
errors
forks limits queue_selection texts tryton_config
__init__
_version
"""
LINES = [line.split() for line in LAYERS.strip().splitlines()]


def level(name: str) -> int | None:
    """In which line a module of ours stands, or the one that has an imported name."""
    while name.startswith("nereid_async."):
        module = name.removeprefix("nereid_async.")
        for number, line in enumerate(LINES):
            if module in line:
                return number
        name = name.rpartition(".")[0]
    return None


def upward(package: Path) -> list[str]:
    """The imports that do not go down, as ``file: name``."""
    return [
        f"{path.relative_to(package)}: {name}"
        for path in sorted(package.rglob("*.py"))
        for name in imports(path, package)
        if (there := level(name)) is not None
        and there <= LINES.index(line_of(path.relative_to(package)))
    ]


def line_of(path: Path) -> list[str]:
    """The line that a file stands in."""
    return next(line for line in LINES if module_of(path) in line)


def module_of(path: Path) -> str:
    """How :data:`LAYERS` names a file."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def file_of(module: str) -> Path:
    """A file that is named like that."""
    return Path(*module.split(".")).with_suffix(".py")


def test_every_file_stands_in_one_layer() -> None:
    listed = [module for line in LINES for module in line]
    files = [module_of(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")]
    assert sorted(listed) == sorted(files)


def test_imports_go_down() -> None:
    assert upward(PACKAGE) == []


@pytest.mark.parametrize("number", range(len(LINES)), ids=lambda it: LINES[it][0])
def test_an_import_that_does_not_go_down_is_seen(number: int, tmp_path: Path) -> None:
    """From each line: of itself, and of the line above."""
    above, line = LINES[max(number - 1, 0)], LINES[number]
    path = tmp_path / file_of(line[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in {line[-1], above[0]}:
        package, _, name = f"nereid_async.{other}".rpartition(".")
        path.write_text(f"def f():\n    from {package} import {name}\n")
        assert len(upward(tmp_path)) == 1


@dataclass(frozen=True)
class Rule:
    """Who alone may import what.

    :ivar inside: the files and folders that may.
    :ivar forbidden: tells of a full name whether it is meant.
    :ivar offence: a line that breaks the rule elsewhere.
    """

    text: str
    inside: tuple[str, ...]
    forbidden: Callable[[str], bool]
    offence: str


def below(*names: str) -> Callable[[str], bool]:
    """Whether a name is one of these, or below one."""
    return lambda name: any(f"{name}.".startswith(f"{it}.") for it in names)


RULES = (
    Rule(
        "only the commands know workers, and what runs tasks in tests",
        ("worker", "cli", "testing"),
        below("nereid_async.worker"),
        "from .worker import job",
    ),
    Rule(
        "nereid only where its apps are set up: nobody else needs it",
        ("web/nereid_app.py", "web/login.py", "web/sessions.py", "shop"),
        below("nereid"),
        "from nereid import request",
    ),
    Rule(
        "flask only where the web is, and in the commands, which find apps its way",
        ("web", "extension.py", "cli"),
        below("flask", "flask_login"),
        "import flask",
    ),
    Rule(
        "boto3 only where SQS is called",
        ("sqs/client.py", "sqs/direct_calls.py"),
        below("boto3", "botocore", "urllib3"),
        "import botocore.config",
    ),
    Rule(
        "cryptography only where something is encrypted: it is an extra",
        ("messages/encryption.py",),
        below("cryptography"),
        "from cryptography.fernet import Fernet",
    ),
    Rule(
        "prometheus-client only where metrics are made: it is an extra",
        ("metrics",),
        below("prometheus_client"),
        "from prometheus_client import Counter",
    ),
    Rule(
        "opentelemetry only where spans are made: it is an extra",
        ("tracing.py",),
        below("opentelemetry"),
        "from opentelemetry import trace",
    ),
    Rule(
        "the Tryton module goes by its own name",
        ("module",),
        below("nereid_async.module"),
        "from . import module",
    ),
    Rule(
        "nothing is unpickled",
        (),
        below("pickle", "marshal", "shelve"),
        "import pickle",
    ),
)


def offenders(rule: Rule, package: Path) -> list[str]:
    """The imports that break a rule, as ``file: name``."""
    return [
        f"{path.relative_to(package)}: {name}"
        for path in sorted(package.rglob("*.py"))
        if not any(
            path.relative_to(package).is_relative_to(place) for place in rule.inside
        )
        for name in imports(path, package)
        if rule.forbidden(name)
    ]


def imports(path: Path, package: Path) -> Iterator[str]:
    """The full names of all that a file imports, relative ones made absolute."""
    for node in _nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(path.relative_to(package), node)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        # What is only there for type checkers is not imported.
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _nodes(child)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = ["nereid_async", *path.parent.parts]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_rules(rule: Rule) -> None:
    assert offenders(rule, PACKAGE) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_a_broken_rule_is_seen(rule: Rule, tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text(f"def f():\n    {rule.offence}\n")
    assert len(offenders(rule, tmp_path)) == 1


def environment_and_evaluation(package: Path) -> list[str]:
    """Where files read the environment, or evaluate text, as ``file: what``."""
    return [
        f"{path.relative_to(package)}: {what}"
        for path in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if (what := _environment_or_evaluation(node))
    ]


def _environment_or_evaluation(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "os" and node.attr in ("environ", "getenv"):
            return f"os.{node.attr}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("eval", "exec"):
            return node.func.id
    return None


def test_no_environment_is_read_and_nothing_evaluated() -> None:
    # prometheus-client is told of its folder there, and systemd says there how it is
    # to be told of a worker; nothing else.
    told = [
        "metrics/multiprocess.py: os.environ",
        "worker/health_monitor.py: os.environ",
    ]
    assert sorted(environment_and_evaluation(PACKAGE)) == told


def test_what_is_evaluated_is_seen_in_every_file(tmp_path: Path) -> None:
    """Also where another folder has a file of that name."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "task.py").write_text("eval('1'); os.environ['A']")
    (tmp_path / "b" / "task.py").write_text("pass")
    found = ["a/task.py: eval", "a/task.py: os.environ"]
    assert sorted(environment_and_evaluation(tmp_path)) == found
