"""Checks the worker's PostgreSQL sessions: not shared by a pooler, not ended early."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from trytond import backend
from trytond.config import parse_uri

from ..database import connection_pool, connections
from ..database.driver import driver
from ..database.errors import translated
from ..database.session_limits import session_limits
from ..errors import ConfigurationError
from ..tryton_config import config
from ..wakeup import readable

logger = logging.getLogger(__name__)

#: How long to wait for a notification, which takes milliseconds.
_NOTIFY_TIMEOUT_S = 2.0


def check(database: str) -> None:
    """Check the sessions of this database, and lift limits that would end them.

    Must run in the parent of the worker's processes, before the pool is loaded: it
    changes ``[database] uri``, with which the processes connect.

    :raises ConfigurationError: a pooler shares the sessions with other clients.
    :raises DatabaseUnavailable: the database is away, or a standby.
    """
    if backend.name != "postgresql":
        return
    with translated(database):
        _check_ownership(database)
    _lift_limits(database)
    connection_pool.close(database)


def _check_ownership(database: str) -> None:
    """Check that a notification of one session reaches another one that listens."""
    listener = connection_pool.connect(database)
    teller = connection_pool.connect(database)
    channel = f"async_sqs_check_{secrets.token_hex(8)}"
    listener.cursor().execute(f'LISTEN "{channel}"')
    teller.cursor().execute(f'NOTIFY "{channel}"')
    try:
        if not _hears(listener):
            raise ConfigurationError(
                "[database] uri: a notification does not reach the session that "
                "listens for it, so a pooler shares sessions between clients, such as "
                "pgbouncer with pool_mode = transaction. A worker would miss new tasks "
                "and could not hold advisory locks. Give it a direct connection, or "
                "pool_mode = session; processes that only defer may stay as they are"
            )
    finally:
        for connection in (listener, teller):
            connection_pool.disconnect(database, connection)


def _hears(listener: Any) -> bool:
    deadline_s = time.monotonic() + _NOTIFY_TIMEOUT_S
    while not driver().hear(listener):
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not readable(left_s, listener):
            return False
    return True


def _lift_limits(database: str) -> None:
    """Lift the server's time limits for the sessions of this worker.

    By options of the connection: set once a session, not once a task.
    """
    with connections.autocommit(database) as cursor:
        limits = session_limits(cursor)
        # The options in force, wherever libpq has read them.
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
        "that exceeds it is interrupted. Set it to 0 for the role that the worker "
        "connects as: ALTER ROLE ... SET ... = 0",
        told,
    )


def _are_lifted(database: str) -> bool:
    try:
        with closing(driver().connect_anew(database)) as connection:
            return not session_limits(connection.cursor())
    except backend.DatabaseOperationalError as error:
        # A pooler may refuse options.
        logger.info("connecting with options failed: %s", error)
        return False


def _with_options(uri: str, options: str, lifted: dict[str, float]) -> str:
    parts = parse_uri(uri)
    # libpq takes a plus sign literally, parse_qsl takes it for a space.
    query = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
    switches = [f"-c {name}=0" for name in lifted]
    query["options"] = " ".join([options, *switches]).strip()
    return str(parts._replace(query=urlencode(query, quote_via=quote)).geturl())
