"""Encodes outcomes for rows and replies, encrypted if there is a key."""

from __future__ import annotations

from typing import Any

from ..errors import BadMessage
from .encryption import Cipher, decrypted, token_bytes
from .outcome import Outcome
from .serialization import Json, dumps, loads

_SEALED = "sealed"


class OutcomeCodec:
    """Encodes and decodes outcomes. Thread-safe; survives a fork.

    :param cipher: None for no encryption.
    """

    def __init__(self, cipher: Cipher | None = None) -> None:
        self._cipher = cipher

    def to_json(self, task_id: str, outcome: Outcome) -> Json:
        """The JSON in which the outcome of a task is stored."""
        kept = outcome.as_json()
        if self._cipher is None:
            return kept
        # With its task's id: whoever can write rows cannot swap encrypted results.
        return {_SEALED: self._cipher.encrypt(dumps([task_id, kept]))}

    def from_json(self, task_id: str, kept: Any) -> Outcome:
        """Read the JSON of :meth:`to_json`.

        :raises UnknownKey: it was encrypted with a key that is not known here.
        :raises BadMessage: it is the outcome of another task, or no outcome.
        """
        if not isinstance(kept, dict) or _SEALED not in kept:
            return Outcome.from_json(kept)
        owner, kept = loads(decrypted(self._cipher, kept[_SEALED]))
        if owner != task_id:
            raise BadMessage("the outcome of another task")
        return Outcome.from_json(kept)

    def size_bytes(self, task_id: str, outcome: Outcome) -> int:
        """The size in bytes of the text of :meth:`to_json`."""
        if self._cipher is None:
            return len(dumps(outcome.as_json()))
        size_bytes = len(dumps([task_id, outcome.as_json()]))
        return len(dumps({_SEALED: ""})) + token_bytes(size_bytes)
