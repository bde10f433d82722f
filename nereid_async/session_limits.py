"""What a PostgreSQL server ends sessions for that wait, or work, for longer."""

from __future__ import annotations

from trytond import backend

from . import side
from .errors import DatabaseUnavailable

#: Some of them are of newer servers only. Those that end a statement are not among
#: them: the session goes on.
_SETTINGS = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)


def session_limits(database: str) -> dict[str, float]:
    """The limits that hold for a session of this process, in seconds, by setting.

    :raises DatabaseUnavailable: the database cannot be asked now.
    """
    if backend.name != "postgresql":
        return {}
    with side.autocommit(database) as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN %s", [_SETTINGS]
        )
        return {name: int(ms) / 1_000 for name, ms in cursor.fetchall() if int(ms)}


def likely_limit(database: str, lasted_s: float) -> str:
    """Which limit a session has met that was lost after so long, as a hint; or none."""
    try:
        limits = session_limits(database)
    except DatabaseUnavailable:
        return ""
    met = [
        f"{name} = {limit_s:g} s"
        for name, limit_s in limits.items()
        if limit_s <= lasted_s
    ]
    if not met:
        return ""
    return (
        f". The server is set to {' and '.join(met)}, and the run took {lasted_s:.1f} s"
        ": set that to 0 for the role as which workers connect"
    )
