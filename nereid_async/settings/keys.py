"""Parsers of secret keys in settings: one, or several for rotation."""

from __future__ import annotations

import base64
import binascii
from typing import Any

#: Shorter keys weaken the signature (RFC 2104, section 3).
KEY_MIN_BYTES = 16

#: Length of a Fernet key, before Base64.
_ENCRYPTION_KEY_BYTES = 32

_EXPECTED = (
    f"a key of at least {KEY_MIN_BYTES} bytes that is not blank, or several: a list, "
    "or text with commas or line ends between them. "
    "`python -c 'import secrets; print(secrets.token_hex())'` makes one"
)


def keys(value: Any) -> tuple[bytes, ...]:
    """Parse the keys in a setting, in their order.

    Bytes are one key. Text has several keys if it has commas or line ends; in a list
    each element is one key, whatever it contains.

    :raises ValueError: the text says what is expected, without the value.
    """
    if isinstance(value, (list, tuple)):
        parts = list(value)
    elif isinstance(value, str):
        parts = _parts(value)
    else:
        parts = [value]
    if not parts:
        raise ValueError(_EXPECTED)
    return tuple(key(part) for part in parts)


def key(value: Any) -> bytes:
    """Parse one key, whatever characters it contains.

    :raises ValueError: as :func:`keys`.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        # Digits, as Config.from_prefixed_env() reads them.
        value = str(value)
    if isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeEncodeError:
            raise ValueError("a key in UTF-8") from None
    if not isinstance(value, (bytes, bytearray)):
        raise ValueError(_EXPECTED)
    if len(value) < KEY_MIN_BYTES or not value.strip():
        raise ValueError(_EXPECTED)
    return bytes(value)


def encryption_key(key: bytes) -> bytes:
    """Check a Fernet key and return it.

    :raises ValueError: the text says what is expected, without the value.
    """
    try:
        is_key = (
            len(base64.b64decode(key, altchars=b"-_", validate=True))
            == _ENCRYPTION_KEY_BYTES
        )
    except binascii.Error:
        is_key = False
    if not is_key:
        raise ValueError(
            "keys of 32 bytes in URL-safe Base64; `python -c 'from cryptography.fernet "
            "import Fernet; print(Fernet.generate_key().decode())'` makes one"
        )
    return key


def _parts(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    parts = [part.strip() for line in lines for part in line.split(",")]
    if any(len(part.split()) > 1 for part in parts):
        # An earlier release split keys at blanks: neither meaning is a safe guess.
        raise ValueError(
            "commas or line ends between keys, not blanks; a key with blanks inside "
            "goes in a list"
        )
    return parts
