"""What a worker needs of its sessions on PostgreSQL: they last, and are its own."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from trytond import backend
from trytond.config import config, parse_uri

from ..database import connection_pool, connections
from ..database.errors import translated
from ..database.session_limits import session_limits
from ..errors import ConfigurationError
from ..wakeup import readable

logger = logging.getLogger(__name__)

#: A notification takes milliseconds.
_PATIENCE_S = 2.0


def check(database: str) -> None:
    """Check the sessions of this database, and lift what would end them meanwhile.

    Before anything is loaded, and in the parent of the worker's processes: they
    connect as it is told here.

    :raises ConfigurationError: a pooler gives them to others as well.
    :raises DatabaseUnavailable: the database is away, or a standby.
    """
    if backend.name != "postgresql":
        return
    with translated(database):
        _check_ownership(database)
    _lift_limits(database)
    connection_pool.close(database)


def _check_ownership(database: str) -> None:
    """Check that what one session waits for reaches it when another one tells it."""
    listener = connection_pool.connect(database)
    teller = connection_pool.connect(database)
    channel = f"async_sqs_check_{secrets.token_hex(8)}"
    listener.cursor().execute(f'LISTEN "{channel}"')
    teller.cursor().execute(f'NOTIFY "{channel}"')
    try:
        if not _hears(listener):
            raise ConfigurationError(
                "[database] uri: what a session waits for does not reach it, so it is "
                "shared with others: by pgbouncer with pool_mode = transaction, say. A "
                "worker would not hear of new tasks, nor know whether another one "
                "relays. Give it a direct connection, or "
                "pool_mode = session; processes that only defer may stay as they are"
            )
    finally:
        for connection in (listener, teller):
            connection_pool.disconnect(database, connection)


def _hears(listener: Any) -> bool:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not listener.notifies:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not readable(left_s, listener):
            return False
        listener.poll()
    return True


def _lift_limits(database: str) -> None:
    """Let the server end no session of this worker that waits, or works, for long.

    By options of the connection: once for each session, and not once a task.
    """
    with connections.autocommit(database) as cursor:
        limits = session_limits(cursor)
        # As they are, from wherever libpq has them.
        options = str(cursor.connection.info.options or "")
    if not limits:
        return
    told = " and ".join(f"{name} = {seconds:g} s" for name, seconds in limits.items())
    before = config.get("database", "uri")
    config.set("database", "uri", _with_options(before, options, limits))
    if _are_lifted(database):
        logger.warning("the server has %s: lifted for this worker's sessions", told)
        return
    config.set("database", "uri", before)
    logger.warning(
        "the server has %s, which cannot be lifted for this worker's sessions: a task "
        "that waits for longer is interrupted. Set that to 0 for the role as which the "
        "worker connects: ALTER ROLE ... SET ... = 0",
        told,
    )


def _are_lifted(database: str) -> bool:
    # It is there where PostgreSQL is.
    import psycopg2

    dsn = backend.Database._connection_params(database)["dsn"]
    try:
        with closing(psycopg2.connect(dsn)) as connection:
            return not session_limits(connection.cursor())
    except psycopg2.OperationalError as error:
        # A pooler may know no options.
        logger.info("connecting with options failed: %s", error)
        return False


def _with_options(uri: str, options: str, lifted: dict[str, float]) -> str:
    parts = parse_uri(uri)
    # To libpq a plus sign is no space.
    query = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
    switches = [f"-c {name}=0" for name in lifted]
    query["options"] = " ".join([options, *switches]).strip()
    return str(parts._replace(query=urlencode(query, quote_via=quote)).geturl())
