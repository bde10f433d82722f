"""Deferred calls, and pointers to the rows that have them, as signed JSON in ASCII.

The text is ``<payload>.<signature>``. The signature is verified, in constant time,
before the payload is parsed. It covers everything that decides what runs: database,
user, context, task, arguments and id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ..errors import BadMessage, MessageTooLarge, SerializationError, UnknownFormat
from .attributes import size_bytes as attributes_bytes
from .encryption import Cipher, decrypted
from .message import Message, Target, WebRequest, check_fields
from .pointer import Pointer, pointer_from
from .serialization import dumps, loads
from .signing import Signer
from .wire_fields import known

#: The newest format that this version reads.
FORMAT = 3
_PLAIN = 1
_ENCRYPTED = 2
_POINTER = 3
#: The fields that are encrypted; brokers need the others.
_SECRET = ("args", "kwargs", "context")

_MESSAGE_FIELDS = {field.name for field in fields(Message)}
_TARGET_FIELDS = {field.name for field in fields(Target)}
_WEB_FIELDS = {field.name for field in fields(WebRequest)}


class MessageCodec:
    """Encodes and decodes messages. Thread-safe.

    :param keys: the signing keys; the first signs, all are accepted.
    :param limit_bytes: size of a message, at most.
    :param cipher: encrypts arguments and context; None for messages in plain text.
    """

    def __init__(
        self, keys: Iterable[bytes], limit_bytes: int, cipher: Cipher | None = None
    ) -> None:
        self.limit_bytes = limit_bytes
        self._cipher = cipher
        self._signer = Signer(keys, "message")

    def encode(self, message: Message, names: Sequence[str] = ()) -> str:
        """Encode and sign a call.

        :param names: names of the positional arguments, for errors.
        :raises MessageTooLarge: it exceeds the limit; the error's text names the
            largest argument.
        """
        text = self._signer.sign(dumps(self._payload(message)))
        # SQS counts attributes in the size of a message.
        size_bytes = len(text) + attributes_bytes(message.sqs_attributes)
        if size_bytes > self.limit_bytes:
            raise MessageTooLarge(
                f"{message.target.name}: the message is {size_bytes} bytes, the limit "
                f"{self.limit_bytes} (setting max_message_bytes); the largest argument "
                f"is {_largest_argument(message, names)}. Pass a record or an id "
                "instead",
                size_bytes=size_bytes,
                limit_bytes=self.limit_bytes,
            )
        return text

    def _payload(self, message: Message) -> dict[str, Any]:
        content = _as_json(message)
        if self._cipher is None:
            return {"format": _PLAIN, **content}
        secret = dumps({name: content.pop(name) for name in _SECRET})
        return {"format": _ENCRYPTED, **content, "sealed": self._cipher.encrypt(secret)}

    def encode_pointer(self, pointer: Pointer) -> str:
        """Encode and sign what is sent for a call that has a row."""
        return self._signer.sign(dumps({"format": _POINTER, **vars(pointer)}))

    def decode(self, text: str) -> Message:
        """Verify and decode a call.

        :raises BadMessage: it is too large, wrongly signed or undecodable, or a
            pointer.
        :raises UnknownFormat: it is rightly signed, but written by a newer version, or
            with an encryption key that is not known here.
        """
        return self._message(*self._read(text))

    def decode_sent(self, text: str) -> Pointer | Message:
        """Verify and decode what was sent: a pointer, or a call that has no row.

        Earlier releases sent calls with rows whole; such a call is taken as a pointer
        to its row.

        :raises MessageError: as :meth:`decode`.
        """
        written_as, payload = self._read(text)
        if written_as == _POINTER:
            return pointer_from(payload)
        message = self._message(written_as, payload)
        return message.pointer if message.outbox else message

    def _read(self, text: str) -> tuple[int, dict[str, Any]]:
        """Verify a text; return its format and the other fields."""
        if len(text) > self.limit_bytes:
            raise BadMessage(f"{len(text)} bytes, the limit is {self.limit_bytes}")
        try:
            payload = loads(self._signer.unsign(text))
        except SerializationError as error:
            raise BadMessage(f"signed, but {error}, {len(text)} bytes") from None
        written_as = payload.pop("format", None) if isinstance(payload, dict) else None
        if not isinstance(written_as, int):
            raise BadMessage("no format number")
        if written_as > FORMAT:
            raise UnknownFormat(
                f"format {written_as}; this version reads up to {FORMAT}"
            )
        return written_as, payload

    def _message(self, written_as: int, payload: dict[str, Any]) -> Message:
        if written_as == _POINTER:
            raise BadMessage("a pointer, where a call should be")
        try:
            if written_as == _ENCRYPTED:
                payload |= loads(decrypted(self._cipher, payload["sealed"]))
            content = known(_MESSAGE_FIELDS, payload)
            content["target"] = Target(**known(_TARGET_FIELDS, content["target"]))
            if content.get("web") is not None:
                content["web"] = WebRequest(**known(_WEB_FIELDS, content["web"]))
            message = Message(**content)
        except (AttributeError, KeyError, TypeError, SerializationError) as error:
            raise BadMessage(f"incomplete: {error}") from None
        check_fields(message)
        return message


def _as_json(message: Message) -> dict[str, Any]:
    # Not dataclasses.asdict(), which makes a deep copy of each argument.
    return {
        **vars(message),
        "target": vars(message.target),
        "web": None if message.web is None else vars(message.web),
    }


def argument_name(index: int, names: Sequence[str]) -> str:
    """The name of a positional argument in errors."""
    return repr(names[index]) if index < len(names) else f"number {index + 1}"


def _largest_argument(message: Message, names: Sequence[str]) -> str:
    sizes = {argument_name(i, names): len(dumps(v)) for i, v in enumerate(message.args)}
    sizes |= {repr(name): len(dumps(v)) for name, v in message.kwargs.items()}
    if not sizes:
        return "none, but its context"
    name = max(sizes, key=lambda name: sizes[name])
    return f"{name} with {sizes[name]} bytes"
