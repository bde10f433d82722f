"""Checks SQS message attributes at the deferral, where the caller sees the error.

The rules are in Amazon's SQS Developer Guide, "Amazon SQS message metadata", and in
its API reference, "MessageAttributeValue".
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigurationError
from ..limits import (
    SQS_ATTRIBUTE_NAME_MAX_CHARS,
    SQS_ATTRIBUTE_TYPE_MAX_CHARS,
    SQS_ATTRIBUTES_MAX,
    SQS_ATTRIBUTES_MAX_BYTES,
)

_NAME = re.compile(r"(?!(?i:aws|amazon)\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
#: A type of Amazon's, maybe with a custom label.
_TYPE = re.compile(r"(String|Number|Binary)(\.[A-Za-z0-9_.-]+)?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
#: Amazon accepts the characters of XML 1.0.
_CHARACTERS = "\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
_TEXT = re.compile(f"[{_CHARACTERS}]+")
_NO_TEXT = re.compile(f"[^{_CHARACTERS}]")


def check(attributes: Any) -> None:
    """Check attributes in the form of boto3: a dict of names to types and values.

    :raises ConfigurationError: an attribute is invalid; the text names it.
    """
    if not isinstance(attributes, dict):
        raise ConfigurationError(
            f"attributes={attributes!r}: a dict such as "
            '{"kind": {"DataType": "String", "StringValue": "mail"}}'
        )
    if len(attributes) > SQS_ATTRIBUTES_MAX:
        raise ConfigurationError(
            f"{len(attributes)} attributes; a message has {SQS_ATTRIBUTES_MAX} at most"
        )
    for name, attribute in attributes.items():
        fault = _fault(name, attribute)
        if fault:
            raise ConfigurationError(f"attribute {name!r}: {fault}")
    together_bytes = size_bytes(attributes)
    if together_bytes > SQS_ATTRIBUTES_MAX_BYTES:
        raise ConfigurationError(
            f"attributes of {together_bytes} bytes; SQS takes "
            f"{SQS_ATTRIBUTES_MAX_BYTES} beside a message. Make them arguments"
        )


def _fault(name: Any, attribute: Any) -> str | None:
    if not (isinstance(name, str) and len(name) <= SQS_ATTRIBUTE_NAME_MAX_CHARS):
        return f"its name is no text of up to {SQS_ATTRIBUTE_NAME_MAX_CHARS} characters"
    if not _NAME.fullmatch(name):
        return "a name is made of A-Za-z0-9_- and single dots, and not Amazon's"
    if not isinstance(attribute, dict):
        return "a dict of DataType and StringValue or BinaryValue"
    kind = attribute.get("DataType")
    is_short = isinstance(kind, str) and len(kind) <= SQS_ATTRIBUTE_TYPE_MAX_CHARS
    typed = _TYPE.fullmatch(str(kind))
    if not is_short or typed is None:
        return f"DataType {kind!r} is none of String, Number and Binary"
    wanted = "BinaryValue" if typed[1] == "Binary" else "StringValue"
    if set(attribute) != {"DataType", wanted}:
        return f"a {kind} has DataType and {wanted}, and nothing else"
    value = attribute[wanted]
    if wanted == "BinaryValue":
        return None if isinstance(value, bytes) and value else "no bytes"
    if not (isinstance(value, str) and _TEXT.fullmatch(value)):
        return "StringValue is empty, no text, or has characters that SQS refuses"
    if typed[1] == "Number" and not _NUMBER.fullmatch(value):
        return f"{value!r} is no number"
    return None


def size_bytes(attributes: dict[str, Any] | None) -> int:
    """The bytes that attributes add to the size of a message: names, types, values."""
    return sum(
        len(part if isinstance(part, bytes) else str(part).encode())
        for name, attribute in (attributes or {}).items()
        for part in (name, *attribute.values())
    )


def text_attribute(text: str, limit_bytes: int) -> dict[str, str]:
    """Make an attribute of any text; characters that SQS refuses are escaped.

    :param limit_bytes: longest text; a longer one is cut.
    """
    fit = _NO_TEXT.sub(_escaped, text[:limit_bytes]).encode()[:limit_bytes]
    return {"DataType": "String", "StringValue": fit.decode(errors="ignore") or "-"}


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
