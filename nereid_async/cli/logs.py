"""How a worker logs: for people, or one JSON object a line."""

from __future__ import annotations

import datetime as dt
import json
import logging

#: The formats of ``--log-format``.
TEXT, JSON = "text", "json"

_TEXT_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a record, with the fields of ``docs/reference/log-fields.rst``.

    :param fields: attributes of records that are written where a record has them.
    """

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; never more than one line."""
        at = dt.datetime.fromtimestamp(record.created, dt.timezone.utc)
        line = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line |= {it: getattr(record, it) for it in self._fields if hasattr(record, it)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to_stderr(log_format: str, verbose: bool) -> None:
    """Log warnings to stderr, with ``verbose`` each task, and how a worker fares.

    :param log_format: one of :data:`TEXT` and :data:`JSON`.
    """
    from ..worker import announce
    from ..worker.run_log import FIELDS

    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(FIELDS) if log_format == JSON else logging.Formatter(_TEXT_FORMAT)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    package = logging.getLogger(__name__.partition(".")[0])
    package.setLevel(logging.INFO if verbose else logging.WARNING)
    announce.logger.setLevel(logging.INFO)
