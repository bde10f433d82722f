"""Messages: deferred calls as signed JSON in ASCII.

The text of a message is ``<payload>.<signature>``. The signature is verified, in
constant time, before the payload is parsed. It covers everything that decides what
runs: database, user, context, task, arguments and id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import BadMessage, MessageTooLarge, SerializationError, UnknownFormat
from ..limits import PRIORITY_DEFAULT
from ..settings import Settings
from .attributes import size_bytes as attributes_bytes
from .encryption import Cipher, decrypted
from .serialization import Json, decode, dumps, loads
from .signing import Signer
from .task_ids import ID_PATTERN

#: The newest format that this version reads.
FORMAT = 2
_PLAIN = 1
_ENCRYPTED = 2
#: The fields that are encrypted; brokers need the others.
_SECRET = ("args", "kwargs", "context")


@dataclass(frozen=True)
class Target:
    """The method or function that a message calls.

    :ivar kind: ``"model"``, ``"report"`` or ``"wizard"`` of the pool, or
        ``"function"``.
    :ivar owner: the class's Tryton name, or the function's Python module.
    :ivar method: the method's name, or the function's qualified name.
    :ivar instance: id of the record whose method is called; None for a class's.
    """

    kind: str
    owner: str
    method: str
    instance: int | None = None

    @property
    def name(self) -> str:
        """The name of the task in logs and rows."""
        separator = ":" if self.kind == "function" else "."
        return f"{self.owner}{separator}{self.method}"


@dataclass(frozen=True)
class WebRequest:
    """The web context of a task: facts of the web request that deferred it.

    :ivar website: id of the ``nereid.website``.
    :ivar locale: id of the ``nereid.website.locale``.
    :ivar language: language code of the transaction.
    :ivar base_url: scheme, host and root path, such as ``https://shop.example.com/``.
    :ivar user: id of the ``nereid.user`` logged in; None for an anonymous visitor.
    """

    website: int
    locale: int
    language: str
    base_url: str
    user: int | None = None


@dataclass(frozen=True)
class Message:
    """One deferred call.

    :ivar id: the task's uuid.
    :ivar args: encoded positional arguments.
    :ivar kwargs: encoded keyword arguments.
    :ivar user: id of the Tryton user as whom it runs.
    :ivar context: encoded transaction context.
    :ivar queue: short name of its queue.
    :ivar delay_s: seconds that it waits after the commit.
    :ivar priority: 0 to 9; of the due tasks of a queue, priority 0 runs first.
    :ivar visibility_timeout_s: seconds that a claim holds without a heartbeat.
    :ivar max_attempts: attempts before the task fails.
    :ivar time_limit_s: seconds that an attempt may take; None for any number.
    :ivar retry_delay_s: seconds before the second attempt, which double with each
        further one.
    :ivar keep_result: whether the value is kept for the owner.
    :ivar for_browser: whether a browser may read the value.
    :ivar outbox: whether it was deferred with a row; if the row is gone, it must not
        run.
    :ivar web: the web request that deferred it; None outside of one.
    :ivar deferred_at_s: when it was deferred, in seconds since 1970 (UTC).
    :ivar attributes: encoded SQS message attributes.
    :ivar identity: identity of its database, which tells it from one of the same name;
        None in messages of an earlier release.
    :ivar cancellable: whether its owner may cancel it from the browser.
    """

    id: str
    database: str
    target: Target
    args: list[Json]
    kwargs: dict[str, Json]
    user: int
    context: dict[str, Json]
    queue: str
    deferred_at_s: float
    delay_s: float = 0
    priority: int = PRIORITY_DEFAULT
    visibility_timeout_s: int = Settings.visibility_timeout
    max_attempts: int = Settings.max_attempts
    retry_delay_s: float = 1.0
    keep_result: bool = False
    for_browser: bool = False
    outbox: bool = True
    web: WebRequest | None = None
    attributes: dict[str, Json] | None = None
    identity: str | None = None
    cancellable: bool = False
    time_limit_s: float | None = None

    @property
    def sqs_attributes(self) -> dict[str, Any] | None:
        """The SQS message attributes, in the form of boto3."""
        if self.attributes is None:
            return None
        return {name: decode(value) for name, value in self.attributes.items()}


_MESSAGE_FIELDS = {field.name for field in fields(Message)}
_TARGET_FIELDS = {field.name for field in fields(Target)}
_WEB_FIELDS = {field.name for field in fields(WebRequest)}
_ID = re.compile(ID_PATTERN)
_CHECKED: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "database": str,
    "args": list,
    "kwargs": dict,
    "user": int,
    "context": dict,
    "queue": str,
    "delay_s": (int, float),
    "visibility_timeout_s": int,
    "max_attempts": int,
    "retry_delay_s": (int, float),
    "deferred_at_s": (int, float),
    "outbox": bool,
    "identity": (str, type(None)),
    "time_limit_s": (int, float, type(None)),
}
_TARGET_CHECKED: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "owner": str,
    "method": str,
    "instance": (int, type(None)),
}


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
        """Encode and sign a message.

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
                f"{self.limit_bytes}; the largest argument is "
                f"{_largest_argument(message, names)}. Pass a record or an id instead",
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

    def decode(self, text: str) -> Message:
        """Verify and decode a message.

        :raises BadMessage: it is too large, wrongly signed or undecodable.
        :raises UnknownFormat: it is rightly signed, but written by a newer version, or
            with an encryption key that is not known here.
        """
        if len(text) > self.limit_bytes:
            raise BadMessage(f"{len(text)} bytes, the limit is {self.limit_bytes}")
        try:
            payload = loads(self._signer.unsign(text))
        except SerializationError as error:
            raise BadMessage(f"signed, but {error}, {len(text)} bytes") from None
        return _from_payload(payload, self._cipher)


def _as_json(message: Message) -> dict[str, Any]:
    # Not dataclasses.asdict(), which makes a deep copy of each argument.
    return {
        **vars(message),
        "target": vars(message.target),
        "web": None if message.web is None else vars(message.web),
    }


def _from_payload(payload: Any, cipher: Cipher | None) -> Message:
    written_as = payload.pop("format", None) if isinstance(payload, dict) else None
    if not isinstance(written_as, int):
        raise BadMessage("no format number")
    if written_as > FORMAT:
        raise UnknownFormat(f"format {written_as}; this version reads up to {FORMAT}")
    try:
        if written_as == _ENCRYPTED:
            payload |= loads(decrypted(cipher, payload["sealed"]))
        known = _known(_MESSAGE_FIELDS, payload)
        known["target"] = Target(**_known(_TARGET_FIELDS, known["target"]))
        if known.get("web") is not None:
            known["web"] = WebRequest(**_known(_WEB_FIELDS, known["web"]))
        message = Message(**known)
    except (AttributeError, KeyError, TypeError, SerializationError) as error:
        raise BadMessage(f"incomplete: {error}") from None
    _check(message)
    return message


@dataclass(frozen=True)
class Unverified:
    """Facts in a text whose signature is not verified: anybody may have written it.

    :ivar id: the task's id.
    :ivar database: the name of its database.
    :ivar identity: the identity of its database.
    """

    id: str | None = None
    database: str | None = None
    identity: str | None = None


def unverified(text: str) -> Unverified:
    """Read facts of a message without verifying its signature."""
    try:
        payload = loads(text.rpartition(".")[0])
    except SerializationError:
        return Unverified()
    if not isinstance(payload, dict):
        return Unverified()
    found = {name: payload.get(name) for name in ("id", "database", "identity")}
    texts = {name: it for name, it in found.items() if isinstance(it, str)}
    if not _ID.fullmatch(texts.get("id", "")):
        texts.pop("id", None)
    return Unverified(**texts)


def _known(names: set[str], content: dict[str, Any]) -> dict[str, Any]:
    # A later release may have added fields to the same format.
    return {name: value for name, value in content.items() if name in names}


def _check(message: Message) -> None:
    """Check types, so that a bad message does not break the batch it came with."""
    for part, kinds in ((message, _CHECKED), (message.target, _TARGET_CHECKED)):
        for name, kind in kinds.items():
            value = getattr(part, name)
            if not isinstance(value, kind):
                raise BadMessage(f"its {name} is a {type(value).__name__}")
    if not _ID.fullmatch(message.id):
        raise BadMessage("its id is no uuid")


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
