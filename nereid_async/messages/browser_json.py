"""Converts results to plain JSON for scripts in browsers."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from trytond.model import Model

from ..errors import SerializationError
from .serialization import Json, dumps, to_base64
from .values import at, checked_int, mapping_items, plain, record_id, unique

#: JavaScript's Number.MAX_SAFE_INTEGER; it rounds larger numbers silently.
MAX_NUMBER = 2**53 - 1


def for_browser(value: Any, path: str = "result") -> Json:
    """Convert a result to plain JSON.

    Decimal, date, time, datetime and UUID become strings (ISO 8601; a datetime without
    a zone is in UTC, as Tryton's are, and ends in Z), an int beyond :data:`MAX_NUMBER`
    a string of digits, a timedelta seconds, bytes base64, a tuple an array, a record an
    object with model, id and rec_name. Keys become strings in the same way. Records
    need an open transaction.

    :param path: name of the value, for errors.
    :raises SerializationError: the value contains an EmailMessage, two keys of one
        object that become equal, or a value that :func:`~.serialization.encode` refuses
        as well.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if -MAX_NUMBER <= value <= MAX_NUMBER:
            return value
        return int.__repr__(checked_int(value, path))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [for_browser(v, f"{path}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        items = mapping_items(value, path)
        return unique(
            ((_key(k, path), for_browser(v, at(path, k))) for k, v in items), path
        )
    if isinstance(value, Model):
        return {
            "model": value.__name__,
            "id": record_id(value, path),
            "rec_name": value.rec_name,
        }
    return _scalar(value, path)


def _key(key: Any, path: str) -> str:
    if isinstance(key, Model):
        return str(key)
    written = for_browser(key, f"{path}: key")
    return str.__str__(written) if isinstance(written, str) else dumps(written)


def _scalar(value: Any, path: str) -> Json:
    if isinstance(value, Decimal):
        return Decimal.__str__(value)
    if isinstance(value, uuid.UUID):
        return uuid.UUID.__str__(value)
    if isinstance(value, dt.datetime):
        zone = "Z" if value.utcoffset() is None else ""
        return plain(dt.datetime, value).isoformat() + zone
    if isinstance(value, dt.date):
        return plain(dt.date, value).isoformat()
    if isinstance(value, dt.time):
        return plain(dt.time, value).isoformat()
    if isinstance(value, dt.timedelta):
        return plain(dt.timedelta, value).total_seconds()
    if isinstance(value, (bytes, bytearray)):
        return to_base64(value)
    raise SerializationError(
        f"{path}: a {type(value).__qualname__} is not for browsers", path=path
    )
