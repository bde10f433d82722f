"""Values to JSON and back without loss; :mod:`.browser_json` is for browsers.

A value of a type that JSON does not have is an object whose key ``"$"`` names the type.
Nothing is evaluated: each type is built by the one function listed for it here. Records
are sent as model and id, and read again in the worker.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from decimal import Decimal
from email import message_from_bytes
from email import policy as email_policy
from email.message import EmailMessage, Message
from typing import Any, TypeAlias

from trytond.model import Model
from trytond.pool import Pool
from trytond.transaction import Transaction

from ..errors import SerializationError
from .values import (
    at,
    checked_int,
    mapping_items,
    name_of,
    plain,
    record_id,
    shown,
    unique,
)

#: What :func:`json.dumps` takes.
Json: TypeAlias = (
    "bool | int | float | str | list[Json] | tuple[Json, ...] | dict[str, Json] | None"
)

TAG = "$"
#: Deeper nesting is refused on both sides; far below Python's recursion limit.
MAX_DEPTH = 64
#: A tagged value takes two levels of JSON; 16 more are for the message around it.
_MAX_JSON_DEPTH = 2 * MAX_DEPTH + 16
#: An unterminated string matches to the end of the text: no backtracking.
_STRINGS_AND_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


# -- without loss --------------------------------------------------------------


def encode(value: Any, path: str = "value") -> Json:
    """Convert a value to JSON that :func:`decode` converts back to an equal one.

    Takes str, int, float, bool, None, list, tuple, dict, Decimal, date, time,
    datetime, timedelta, bytes, UUID, saved records and lists of them, and
    EmailMessage. A subclass becomes the type that it extends.

    :param path: name of the value, for errors.
    :raises SerializationError: a value has another type, a record is not saved, or the
        nesting is deeper than :data:`MAX_DEPTH`; the text has its path.
    """
    return _encode(value, path, MAX_DEPTH)


def _encode(value: Any, path: str, depth: int) -> Json:
    if depth == 0:
        raise SerializationError(
            f"{path} is nested deeper than {MAX_DEPTH} levels", path=path
        )
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return checked_int(value, path)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return {TAG: "float", "v": float.__repr__(value)}
    if isinstance(value, list):
        return _encode_list(value, path, depth)
    if isinstance(value, tuple):
        return {TAG: "tuple", "v": _encode_list(list(value), path, depth)}
    if isinstance(value, Mapping):
        return _encode_mapping(value, path, depth)
    if isinstance(value, Model):
        return {TAG: "record", "m": value.__name__, "v": record_id(value, path)}
    return _encode_scalar(value, path)


def _encode_scalar(value: Any, path: str) -> Json:
    for type_, (tag, write, _) in _SCALARS.items():
        if not isinstance(value, type_):
            continue
        try:
            return {TAG: tag, "v": write(value)}
        except Exception as error:
            # A class of somebody else's, which may raise anything.
            raise SerializationError(
                f"{path}: this {name_of(value)} cannot travel: {error}", path=path
            ) from error
    raise SerializationError(
        f"{path}: a {name_of(value)} cannot travel; pass plain values, or saved "
        "records",
        path=path,
    )


def _encode_list(values: list[Any], path: str, depth: int) -> Json:
    first = values[0] if values else None
    if isinstance(first, Model) and all(type(v) is type(first) for v in values):
        ids = [record_id(v, f"{path}[{i}]") for i, v in enumerate(values)]
        return {TAG: "records", "m": first.__name__, "v": ids}
    return [_encode(v, f"{path}[{i}]", depth - 1) for i, v in enumerate(values)]


def _encode_mapping(values: Mapping[Any, Any], path: str, depth: int) -> Json:
    items = mapping_items(values, path)
    if all(isinstance(key, str) and key != TAG for key, _ in items):
        encoded = (
            (str.__str__(k), _encode(v, at(path, k), depth - 1)) for k, v in items
        )
        return unique(encoded, path)
    pairs: list[Json] = [
        [
            _encode(k, f"{path}: key {shown(k)}", depth - 1),
            _encode(v, at(path, k), depth - 1),
        ]
        for k, v in items
    ]
    return {TAG: "dict", "v": pairs}


# -- back ----------------------------------------------------------------------


def decode(value: Json) -> Any:
    """Convert the JSON of :func:`encode` back to values.

    Records are instances of the pool's models and need an open transaction.

    :raises SerializationError: it is no JSON of :func:`encode`, or has a record of a
        model that this database does not have.
    """
    return _decode(value, MAX_DEPTH)


def _decode(value: Json, depth: int) -> Any:
    if depth == 0:
        raise SerializationError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list):
        return [_decode(v, depth - 1) for v in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {k: _decode(v, depth - 1) for k, v in value.items()}
    tag = value[TAG]
    try:
        if tag == "tuple":
            # One level for the tag and its list, as in encode.
            return tuple(_decode(value["v"], depth))
        if tag == "dict":
            return {
                _decode(k, depth - 1): _decode(v, depth - 1) for k, v in _pairs(value)
            }
        if tag in ("record", "records"):
            return _decode_records(tag, value)
        return _reader(tag)(value["v"])
    except SerializationError:
        raise
    except _MISREAD as error:
        raise SerializationError(f"cannot read a {tag!r}: {error}") from error


def _reader(tag: Json) -> Callable[[Any], Any]:
    reader = _READERS.get(str(tag))
    if reader is None:
        raise SerializationError(f"this release does not know the value tag {tag!r}")
    return reader


#: Errors of the readers below, for JSON that their writers have not made.
_MISREAD = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)


def _pairs(value: dict[str, Json]) -> list[Any]:
    pairs = value["v"]
    if not isinstance(pairs, list):
        raise ValueError("not a list of pairs")
    return pairs


def _decode_records(tag: Json, value: dict[str, Json]) -> Any:
    name, ids = value["m"], value["v"]
    if Transaction().database is None:
        raise SerializationError(f"a {name} can be read inside a transaction only")
    try:
        model = Pool().get(name)
    except KeyError:
        raise SerializationError(f"this database has no model {name!r}") from None
    if tag == "records":
        if not isinstance(ids, list) or not all(type(i) is int for i in ids):
            raise ValueError("ids are whole numbers")
        return list(model.browse(ids))
    if type(ids) is not int:
        raise ValueError("an id is a whole number")
    return model(ids)


def _write_datetime(value: dt.datetime) -> Json:
    value = plain(dt.datetime, value)
    return {"t": value.replace(tzinfo=None).isoformat(), **_write_zone(value)}


def _read_datetime(value: Any) -> dt.datetime:
    return dt.datetime.fromisoformat(value["t"]).replace(
        tzinfo=_read_zone(value), fold=value.get("f", 0)
    )


def _write_time(value: dt.time) -> Json:
    value = plain(dt.time, value)
    return {"t": value.replace(tzinfo=None).isoformat(), **_write_zone(value)}


def _read_time(value: Any) -> dt.time:
    return dt.time.fromisoformat(value["t"]).replace(
        tzinfo=_read_zone(value), fold=value.get("f", 0)
    )


def _write_zone(value: dt.datetime | dt.time) -> dict[str, Json]:
    zone: dict[str, Json] = {"f": 1} if value.fold else {}
    if value.tzinfo is None:
        return zone
    # The name is the attribute `key` in zoneinfo, `zone` in pytz.
    name = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)
    if name:
        return {**zone, "z": name}
    offset = value.utcoffset()
    if offset is None:
        raise ValueError(f"its time zone {value.tzinfo!r} has no offset")
    return {**zone, "o": offset.total_seconds()}


def _read_zone(value: Any) -> dt.tzinfo | None:
    if "z" in value:
        return zoneinfo.ZoneInfo(value["z"])
    if "o" in value:
        return dt.timezone(dt.timedelta(seconds=value["o"]))
    return None


def _write_date(value: dt.date) -> Json:
    return plain(dt.date, value).isoformat()


def _write_timedelta(value: dt.timedelta) -> Json:
    value = plain(dt.timedelta, value)
    return [value.days, value.seconds, value.microseconds]


def _write_email(value: Message) -> Json:
    modern = isinstance(value, EmailMessage)
    return {"modern": modern, "b": value.as_bytes().decode("latin-1")}


def _read_email(value: Any) -> Message:
    data = value["b"].encode("latin-1")
    if value["modern"]:
        return message_from_bytes(data, policy=email_policy.default)
    return message_from_bytes(data)


def to_base64(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


# datetime before date, of which it is a subclass.
_SCALARS: dict[
    type[Any] | tuple[type[Any], ...],
    tuple[str, Callable[[Any], Json], Callable[[Any], Any]],
] = {
    Decimal: ("decimal", Decimal.__str__, Decimal),
    dt.datetime: ("datetime", _write_datetime, _read_datetime),
    dt.date: ("date", _write_date, dt.date.fromisoformat),
    dt.time: ("time", _write_time, _read_time),
    dt.timedelta: ("timedelta", _write_timedelta, lambda v: dt.timedelta(*v)),
    (bytes, bytearray): (
        "bytes",
        to_base64,
        lambda v: base64.b64decode(v, validate=True),
    ),
    uuid.UUID: ("uuid", uuid.UUID.__str__, uuid.UUID),
    Message: ("email", _write_email, _read_email),
}
_READERS: dict[str, Callable[[Any], Any]] = {
    **{tag: read for tag, _, read in _SCALARS.values()},
    "float": float,
}


# -- text ----------------------------------------------------------------------


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def dumps(value: Json) -> str:
    """Write JSON in ASCII: each character is one byte, and accepted by SQS.

    :raises SerializationError: a float is not finite, or an int has more digits than
        Python writes.
    """
    try:
        return _ENCODER.encode(value)
    except ValueError as error:
        raise SerializationError(f"cannot be written as JSON: {error}") from error


def loads(text: str) -> Any:
    """Read JSON that is not nested deeper than that of :func:`encode`.

    :raises SerializationError: it is not JSON, or nested too deep.
    """
    if _is_too_deep(text):
        raise SerializationError("nested too deep")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"not JSON: {error}") from None


def _is_too_deep(text: str) -> bool:
    # Most texts have fewer brackets than that.
    if text.count("[") + text.count("{") <= _MAX_JSON_DEPTH:
        return False
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        token = match[0]
        if token in "[{":
            depth += 1
            if depth > _MAX_JSON_DEPTH:
                return True
        elif token in "]}":
            depth -= 1
    return False
