"""What travels: one deferred call as signed JSON in ASCII.

A message is ``<payload>.<signature>``: the signature is checked, in constant time,
before anything of the payload is read. It covers everything that decides what runs:
database, user, context, task, arguments and id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import BadMessage, MessageTooLarge, SerializationError, UnknownFormat
from ..limits import PRIORITY_DEFAULT
from .attributes import size_bytes as attributes_bytes
from .encryption import Cipher, decrypted
from .serialization import Json, decode, dumps, loads
from .signing import Signer
from .task_ids import ID_PATTERN

#: The newest that is read here.
FORMAT = 2
_PLAIN = 1
_ENCRYPTED = 2
#: What is encrypted; the rest is needed by those who carry it.
_SECRET = ("args", "kwargs", "context")


@dataclass(frozen=True)
class Target:
    """What is to be called.

    :ivar kind: ``"model"``, ``"report"`` or ``"wizard"`` of the pool, or
        ``"function"``.
    :ivar owner: the class's Tryton name, or the function's Python module.
    :ivar method: the method's name, or the function's qualified name.
    :ivar instance: id of the record the method is called on, None for a class.
    """

    kind: str
    owner: str
    method: str
    instance: int | None = None

    @property
    def name(self) -> str:
        """How logs and rows name the task."""
        separator = ":" if self.kind == "function" else "."
        return f"{self.owner}{separator}{self.method}"


@dataclass(frozen=True)
class WebRequest:
    """What a task needs to know of the web request that deferred it.

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
    :ivar user: the Tryton user as whom it runs.
    :ivar context: encoded transaction context.
    :ivar queue: short name of its queue.
    :ivar delay_s: seconds it waits from the commit on.
    :ivar priority: 0 to 9; of the due tasks of a queue, priority 0 runs first.
    :ivar visibility_timeout_s: seconds a worker holds it without a sign of life.
    :ivar time_limit_s: seconds that an attempt may take; None for any number.
    :ivar retry_delay_s: seconds before the second attempt, which double with each
        further one.
    :ivar keep_result: whether the value is kept for the owner.
    :ivar for_browser: whether a browser may ask for it.
    :ivar outbox: whether it has a row; if it has none then, it must not run.
    :ivar web: the web request it belongs to, if any.
    :ivar deferred_at_s: when it was deferred, in seconds since 1970 (UTC).
    :ivar attributes: encoded SQS message attributes.
    :ivar identity: that of its database, which tells it from one of the same name;
        None where an earlier release wrote it.
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
    visibility_timeout_s: int = 60
    max_attempts: int = 5
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
        """SQS message attributes as boto3 takes them."""
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
    """Writes and reads messages. Thread-safe.

    :param keys: the signing keys; the first signs, all are accepted.
    :param limit_bytes: the largest message written or read.
    :param cipher: encrypts arguments and context; None for messages in plain text.
    """

    def __init__(
        self, keys: Iterable[bytes], limit_bytes: int, cipher: Cipher | None = None
    ) -> None:
        self.limit_bytes = limit_bytes
        self._cipher = cipher
        self._signer = Signer(keys, "message")

    def encode(self, message: Message, names: Sequence[str] = ()) -> str:
        """Write a message.

        :param names: names of the positional arguments, for the error.
        :raises MessageTooLarge: the text names the largest argument.
        """
        text = self._signer.sign(dumps(self._payload(message)))
        # SQS takes them beside the text, and counts them.
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
        """Read a message.

        :raises BadMessage: too large, wrongly signed or undecodable.
        :raises UnknownFormat: rightly signed, but written by a newer version, or with
            a key for encryption that is not known here.
        """
        if len(text) > self.limit_bytes:
            raise BadMessage(f"{len(text)} bytes, the limit is {self.limit_bytes}")
        try:
            payload = loads(self._signer.unsign(text))
        except SerializationError as error:
            raise BadMessage(f"signed, but {error}, {len(text)} bytes") from None
        return _from_payload(payload, self._cipher)


def _as_json(message: Message) -> dict[str, Any]:
    # Not dataclasses.asdict: that copies every argument, deep.
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
class Unproven:
    """What a text says of itself, whoever wrote it.

    :ivar id: the task's id.
    :ivar database: the name of its database.
    :ivar identity: the identity of its database.
    """

    id: str | None = None
    database: str | None = None
    identity: str | None = None


def unproven(text: str) -> Unproven:
    """Look into a text whose signature is not known to be right."""
    try:
        payload = loads(text.rpartition(".")[0])
    except SerializationError:
        return Unproven()
    if not isinstance(payload, dict):
        return Unproven()
    found = {name: payload.get(name) for name in ("id", "database", "identity")}
    texts = {name: it for name, it in found.items() if isinstance(it, str)}
    if not _ID.fullmatch(texts.get("id", "")):
        texts.pop("id", None)
    return Unproven(**texts)


def _known(names: set[str], content: dict[str, Any]) -> dict[str, Any]:
    # Fields that a later release of the same format added are not needed here.
    return {name: value for name, value in content.items() if name in names}


def _check(message: Message) -> None:
    """See that what is needed before the run is of its type: none hurts its batch."""
    for part, kinds in ((message, _CHECKED), (message.target, _TARGET_CHECKED)):
        for name, kind in kinds.items():
            value = getattr(part, name)
            if not isinstance(value, kind):
                raise BadMessage(f"its {name} is a {type(value).__name__}")
    if not _ID.fullmatch(message.id):
        raise BadMessage("its id is none")


def argument_name(index: int, names: Sequence[str]) -> str:
    """How errors name the positional argument of that index."""
    return repr(names[index]) if index < len(names) else f"number {index + 1}"


def _largest_argument(message: Message, names: Sequence[str]) -> str:
    sizes = {argument_name(i, names): len(dumps(v)) for i, v in enumerate(message.args)}
    sizes |= {repr(name): len(dumps(v)) for name, v in message.kwargs.items()}
    if not sizes:
        return "none, but its context"
    name = max(sizes, key=lambda name: sizes[name])
    return f"{name} with {sizes[name]} bytes"
