"""Time limits of a PostgreSQL server that end sessions."""

from __future__ import annotations

from trytond import backend

from ..errors import DatabaseUnavailable
from . import connections

#: Some exist on newer servers only. Limits that end a statement, not the session, are
#: not among them.
_SETTINGS = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)


def session_limits(cursor: connections.Cursor) -> dict[str, float]:
    """The limits that are set for a session, in seconds, by the setting's name."""
    cursor.execute(
        "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
        [list(_SETTINGS)],
    )
    return {name: int(ms) / 1_000 for name, ms in cursor.fetchall() if int(ms)}


def likely_limit(database: str, lasted_s: float) -> str:
    """A hint for an error: the limits that may have ended a session; maybe empty.

    :param lasted_s: how long the run took, in seconds.
    """
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
        f". The server has {' and '.join(met)}, and the run took {lasted_s:.1f} s: "
        "set it to 0 for the role that workers connect as"
    )
