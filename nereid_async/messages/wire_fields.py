"""Fields of decoded messages: which are known, and of what type they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from ..errors import BadMessage
from .task_ids import ID_PATTERN

#: Types of fields, by name.
Types: TypeAlias = Mapping[str, type | tuple[type, ...]]

_ID = re.compile(ID_PATTERN)


def known(names: Collection[str], content: dict[str, Any]) -> dict[str, Any]:
    """The fields of these names; a later release may have added others."""
    return {name: value for name, value in content.items() if name in names}


def check_types(record: object, types: Types) -> None:
    """Check the types of attributes.

    :raises BadMessage: it names the field.
    """
    for name, kinds in types.items():
        value = getattr(record, name)
        if not isinstance(value, kinds):
            raise BadMessage(f"its {name} is a {type(value).__name__}")


def is_id(text: str) -> bool:
    """Whether a text has the form of a task's id."""
    return _ID.fullmatch(text) is not None
