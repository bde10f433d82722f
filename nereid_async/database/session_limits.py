"""What a PostgreSQL server ends sessions for that wait, or work, for longer."""

from __future__ import annotations

from trytond import backend

from ..errors import DatabaseUnavailable
from . import connections

#: Some of them are of newer servers only. Those that end a statement are not among
#: them: the session goes on.
_SETTINGS = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)


def session_limits(cursor: connections.Cursor) -> dict[str, float]:
    """The limits that hold for a session of PostgreSQL, in seconds, by setting."""
    cursor.execute(
        "SELECT name, setting FROM pg_settings WHERE name IN %s", [_SETTINGS]
    )
    return {name: int(ms) / 1_000 for name, ms in cursor.fetchall() if int(ms)}


def likely_limit(database: str, lasted_s: float) -> str:
    """Which limit a session has met that was lost after so long, as a hint; or none."""
    if backend.name != "postgresql":
        return ""
    try:
        with connections.autocommit(database) as cursor:
            limits = session_limits(cursor)
    except DatabaseUnavailable:
        return ""
    met = [f"{name} = {s:g} s" for name, s in limits.items() if s <= lasted_s]
    if not met:
        return ""
    return (
        f". The server is set to {' and '.join(met)}, and the run took {lasted_s:.1f} s"
        ": set that to 0 for the role as which workers connect"
    )
