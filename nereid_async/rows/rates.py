"""How fast tasks finish: statements that read those that have finished lately."""

from __future__ import annotations

from ..database import connections
from .statements import Statements

#: Finished tasks are counted of so long.
WINDOW_S = 300.0
#: So many are read at most; more have finished in less time, which is then measured.
_LATEST_MAX = 10_000


class RateRows(Statements):
    """Reads how many tasks finish a minute."""

    def rates_by(self, cursor: connections.Cursor) -> dict[str, float]:
        """Tasks finished a minute in the last minutes, failed ones included, by queue.

        It reads the latest entries of the index ``async_task_finished``, 10,000 at
        most, however many rows are kept.

        :param cursor: that of a Tryton transaction, or one of our own.
        """
        age = self._seconds_between("MIN(finished_at)", "{now}")
        self.execute(
            cursor,
            f"SELECT queue, COUNT(*), {age} FROM (SELECT queue, finished_at "
            "FROM async_task WHERE finished_at >= {later} "
            "ORDER BY finished_at DESC LIMIT {p}) latest GROUP BY queue",
            [-WINDOW_S, _LATEST_MAX],
        )
        found = [(queue, int(n), float(s)) for queue, n, s in cursor.fetchall()]
        is_cut = sum(n for _, n, _ in found) >= _LATEST_MAX
        oldest_s = max((s for _, _, s in found), default=0.0)
        minutes = (max(oldest_s, 1.0) if is_cut else WINDOW_S) / 60
        return {queue: n / minutes for queue, n, _ in found}
