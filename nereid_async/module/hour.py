"""How many tasks ended in each of the last hours, and how long they had waited."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sql import Cast, Literal, Null, Window
from sql.aggregate import Count, Min, Sum
from sql.conditionals import Case
from sql.functions import DateTrunc, Extract, Function, RowNumber
from trytond import backend
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool

from . import shown_status

#: How many hours are shown: what is read is bounded, by an index.
HOURS = 48
_ENDINGS = (shown_status.DONE, shown_status.FAILED, shown_status.CANCELLED)


class Hour(ModelSQL, ModelView):
    "Hour of Asynchronous Tasks"

    __name__ = "async.hour"
    __string__ = __doc__

    hour = fields.DateTime("Hour", readonly=True, help="In which the tasks ended.")
    done = fields.Integer("Done", readonly=True)
    failed = fields.Integer("Failed", readonly=True)
    cancelled = fields.Integer("Cancelled", readonly=True)
    waited_p50 = fields.Float(
        "Waited, p50 (s)",
        digits=(16, 2),
        readonly=True,
        help="Half of the tasks had waited no longer for their latest start.",
    )
    waited_p95 = fields.Float(
        "Waited, p95 (s)",
        digits=(16, 2),
        readonly=True,
        help="Of 100 tasks 95 had waited no longer for their latest start.",
    )

    @classmethod
    def __setup__(cls) -> None:
        super().__setup__()
        cls._order = [("hour", "ASC"), ("id", "ASC")]

    @classmethod
    def table_query(cls) -> Any:
        ranked = cls._ranked()
        values = {
            "id": _hours_since_1970(ranked.hour),
            "create_uid": Literal(0),
            "create_date": cls.create_date.sql_cast(Null),
            "write_uid": cls.write_uid.sql_cast(Null),
            "write_date": cls.write_date.sql_cast(Null),
            "hour": cls.hour.sql_cast(ranked.hour),
            **{it: Sum(Case((ranked.state == it, 1), else_=0)) for it in _ENDINGS},
            "waited_p50": _percentile(50, ranked),
            "waited_p95": _percentile(95, ranked),
        }
        columns = [value.as_(name) for name, value in values.items()]
        return ranked.select(*columns, group_by=ranked.hour)

    @classmethod
    def _ranked(cls) -> Any:
        """The tasks that ended, each with its rank among those of its hour that ran."""
        task = Pool().get("async.task").__table__()
        run = Pool().get("async.run").__table__()
        now = shown_status.utc_now().replace(minute=0, second=0, microsecond=0)
        ended = task.join(run, "LEFT", run.uuid == task.uuid).select(
            _hour_of(task.finished_at).as_("hour"),
            task.state.as_("state"),
            _seconds_between(task.due_at, run.started_at).as_("waited"),
            where=(task.finished_at >= now - dt.timedelta(hours=HOURS - 1))
            & task.state.in_(_ENDINGS),
        )
        never_ran = ended.waited == Null
        return ended.select(
            ended.hour,
            ended.state,
            ended.waited,
            RowNumber(
                window=Window([ended.hour, never_ran], order_by=[ended.waited])
            ).as_("rank"),
            Count(ended.waited, window=Window([ended.hour, never_ran])).as_("of"),
        )


def _percentile(percent: int, ranked: Any) -> Any:
    """The least of the waits that so many percent do not exceed; none below 0."""
    waited = Case((ranked.waited > 0, ranked.waited), (ranked.waited <= 0, 0.0))
    return Min(Case((ranked.rank * 100 >= ranked.of * percent, waited)))


class _JulianDay(Function):
    """SQLite's: the days since an epoch, with their fraction."""

    __slots__ = ()
    _function = "JULIANDAY"


class _Strftime(Function):
    """SQLite's."""

    __slots__ = ()
    _function = "STRFTIME"


def _seconds_between(start: Any, end: Any) -> Any:
    if backend.name == "sqlite":
        return (_JulianDay(end) - _JulianDay(start)) * 86_400.0
    return Cast(Extract("EPOCH", end - start), "FLOAT")


def _hour_of(time: Any) -> Any:
    if backend.name == "sqlite":
        return _Strftime("%Y-%m-%d %H:00:00", time)
    return DateTrunc("hour", time)


def _hours_since_1970(hour: Any) -> Any:
    """A number that an hour keeps."""
    if backend.name == "sqlite":
        return Cast(_Strftime("%s", hour), "INTEGER") / 3600
    return Cast(Extract("EPOCH", hour) / 3600, "INTEGER")
