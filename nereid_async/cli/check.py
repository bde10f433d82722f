"""``check``: could a worker work here?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import click

from ..errors import NereidAsyncError
from .groups import commands
from .output import Styled, echo_json, json_option, table

if TYPE_CHECKING:
    from ..runtime import Runtime

#: Clocks that differ by less are said to agree: a statement takes time, too.
_CLOCK_TOLERANCE_S = 5.0

OK, WARNING, ERROR = "ok", "warning", "error"
_COLOURS = {OK: "green", WARNING: "yellow", ERROR: "red"}

#: How it stands, and a sentence.
_Finding: TypeAlias = "tuple[str, str]"


@commands.command("check")
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    help="Short name of a queue that the worker is to work on; repeatable. "
    "Default: the setting sqs_queue.",
)
@json_option
def check(runtime: Runtime, queues: tuple[str, ...], as_json: bool) -> None:
    """Show the settings in force, and try what a worker needs.

    It changes nothing. The exit code is 1 if a worker could not work.
    """
    from ..settings.loading import places_of

    places = places_of(runtime.settings)
    findings = list(_findings(runtime, queues or (runtime.settings.sqs_queue,)))
    if as_json:
        echo_json(
            {
                "settings": [
                    {"name": name, "value": value, "from": places[name]}
                    for name, value in runtime.settings.shown().items()
                ],
                "findings": [
                    dict(zip(("what", "status", "text"), it, strict=True))
                    for it in findings
                ],
            }
        )
    else:
        described = runtime.settings.described()
        settings = [
            (name, text or "-", places[name]) for name, text in described.items()
        ]
        lines = [[_dim_default(cell, line[-1]) for cell in line] for line in settings]
        click.echo(table(("SETTING", "VALUE", "FROM"), lines) + "\n")
        for what, status, text in findings:
            click.echo(
                f"{what + ':':<11}{click.style(status, fg=_COLOURS[status])}: {text}"
            )
    if any(status == ERROR for _, status, _ in findings):
        sys.exit(1)


def _dim_default(cell: str, place: str) -> str | Styled:
    from ..settings.loading import DEFAULT

    return Styled(cell, {"dim": True}) if place == DEFAULT else cell


def _findings(
    runtime: Runtime, queues: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    looks: dict[str, Callable[[], Iterator[_Finding]]] = {
        "packages": _packages,
        "key": lambda: _key(runtime),
        "database": lambda: _database(runtime),
        "clock": lambda: _clock(runtime),
        "broker": lambda: _broker(runtime, queues),
        "web app": lambda: _web(runtime),
    }
    failed = set()
    for what, look in looks.items():
        if what == "clock" and "database" in failed:
            # There is no clock to compare with.
            continue
        for status, text in _reported(look):
            if status == ERROR:
                failed.add(what)
            yield what, status, text


def _reported(look: Callable[[], Iterator[_Finding]]) -> Iterator[_Finding]:
    try:
        yield from look()
    except NereidAsyncError as error:
        yield ERROR, str(error)


def _packages() -> Iterator[_Finding]:
    from .. import versions

    text = versions.other_module()
    if text is not None:
        yield WARNING, text


def _key(runtime: Runtime) -> Iterator[_Finding]:
    from ..settings import require_key

    require_key(runtime.settings)
    yield from ()


def _database(runtime: Runtime) -> Iterator[_Finding]:
    runtime.load_pool()
    yield OK, f"{runtime.database} is reachable, the module activated and up to date"


def _clock(runtime: Runtime) -> Iterator[_Finding]:
    if runtime.rows is None:
        return
    ahead_s = time.time() - runtime.rows.clock_s()
    if abs(ahead_s) < _CLOCK_TOLERANCE_S:
        yield OK, "it agrees with the database's"
    else:
        yield (
            WARNING,
            f"it differs from the database's by {ahead_s:+.0f} s: tasks run by the "
            "database's; set both by NTP",
        )


def _broker(runtime: Runtime, queues: tuple[str, ...]) -> Iterator[_Finding]:
    from ..settings.loading import unused

    settings = runtime.settings
    if settings.broker != "sqs":
        text = unused(settings)
        if text is not None:
            yield WARNING, text
            return
        yield OK, f"{settings.broker}: there is nothing else to reach"
        return
    # Imported late: boto3 takes long to import.
    from ..sqs.rights import Rights

    rights = Rights(runtime.database, settings)
    for queue in queues:
        yield from rights.of_worker(queue)
    if settings.result_store == "sqs":
        yield from rights.of_replies()


def _web(runtime: Runtime) -> Iterator[_Finding]:
    if runtime.web_context is None:
        yield (
            WARNING,
            "none: tasks deferred by web requests are left for a worker that has it "
            "(--app, or `flask async worker`)",
        )
    else:
        yield OK, "tasks deferred by web requests run, too"
