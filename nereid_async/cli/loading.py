"""The runtime that a command works with, and errors that its user can mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from ..errors import NereidAsyncError
from ..start import explained, read_config

if TYPE_CHECKING:
    from flask.cli import ScriptInfo

    from ..rows import TaskRows
    from ..runtime import Runtime

#: Gives a command the files that :func:`read_config` reads.
config_option = click.option(
    "-c",
    "--config",
    "config_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    envvar="TRYTOND_CONFIG",
    help="trytond.conf; repeatable.",
)

_TRYTON_OPTIONS = (
    click.option(
        "--app",
        "app_name",
        metavar="MODULE[:FACTORY]",
        help="The web app, for tasks deferred by its requests.",
    ),
    click.option(
        "-d",
        "--database",
        metavar="NAME",
        help="The Tryton database; not needed with --app.",
    ),
    config_option,
)


def app_runtime(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes the runtime of the app of ``flask --app``."""

    # Imported late: `nereid-async` works where Flask is not used.
    def run(**options: Any) -> None:
        from flask.cli import ScriptInfo

        info = click.get_current_context().ensure_object(ScriptInfo)
        with reporting():
            read_config()
            command(_of_app(info), **options)

    return _as(command, run)


def database_runtime(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes the runtime of ``-d``, or of the app of ``--app``."""

    def run(
        config_files: tuple[str, ...],
        database: str | None,
        app_name: str | None,
        **options: Any,
    ) -> None:
        with reporting():
            command(_load(config_files, database, app_name), **options)

    run = _as(command, run)
    for option in _TRYTON_OPTIONS:
        run = option(run)
    return run


def _as(command: Callable[..., None], run: Callable[..., None]) -> Callable[..., None]:
    """Give a function the name, the text and the options of a command."""
    update_wrapper(run, command)
    options = list(getattr(command, "__click_params__", ()))
    # A list of its own: click appends to it.
    run.__click_params__ = options  # type: ignore[attr-defined]
    return run


def _of_app(info: ScriptInfo) -> Runtime:
    """Load a web app in an app context, which is closed again.

    The worker opens a context for each task that needs one.
    """
    app: Any = info.load_app()
    state: Runtime | None = app.extensions.get("nereid_async")
    if state is None:
        raise click.ClickException(
            f"the app {app.name!r} does not have the extension; add it where the app "
            "is made: NereidAsync(app)"
        )
    with app.app_context():
        # Flask-Tryton has loaded the database when it was set up.
        if not getattr(app, "initialised", True):
            app.initialise()
    return state


def _load(
    config_files: tuple[str, ...], database: str | None, app_name: str | None
) -> Runtime:
    read_config(config_files)
    from .. import runtime as runtimes

    if app_name is not None:
        from flask.cli import ScriptInfo

        runtime = _of_app(ScriptInfo(app_import_path=app_name))
        if database not in (None, runtime.database):
            raise click.UsageError(
                f"the app is for database {runtime.database!r}, not {database!r}"
            )
        return runtime
    if database is None:
        raise click.UsageError("name the database with -d, or the app with --app")
    # Most commands only look, or act on rows: those that sign ask for a key themselves.
    return runtimes.of_database(database, signs=False)


def rows_of(runtime: Runtime) -> TaskRows:
    """The rows of a database whose pool is loaded.

    :raises click.ClickException: there are none.
    """
    if runtime.rows is None:
        raise click.ClickException(
            f"without an outbox the tasks of database {runtime.database!r} have no "
            "rows; set outbox = yes"
        )
    runtime.load_pool()
    return runtime.rows


@contextmanager
def reporting() -> Iterator[None]:
    """End a command with a line, not a traceback, for errors that its user can mend."""
    try:
        with explained():
            yield
    except NereidAsyncError as error:
        raise click.ClickException(str(error)) from error
