"""Encryption of arguments and results, in rows and in messages.

They are encrypted first, then signed: a process without the encryption key can verify
a message, and nothing is decrypted that was not signed by us.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ConfigurationError, UnknownKey

#: Version, time, initialisation vector and HMAC of a Fernet token, before Base64.
_FRAME_BYTES = 57
_BLOCK_BYTES = 16


class Cipher:
    """Encrypts and decrypts text, by Fernet. Thread-safe; survives a fork.

    :param keys: the first encrypts, all decrypt, so that keys can be rotated.
    :raises ConfigurationError: the package cryptography is not installed.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        try:
            from cryptography.fernet import Fernet, InvalidToken, MultiFernet
        except ImportError:
            raise ConfigurationError(
                "setting encryption_key needs the package cryptography: "
                "pip install 'nereid_async[encryption]'"
            ) from None
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._invalid = InvalidToken

    def encrypt(self, text: str) -> str:
        """Encrypt an ASCII text; returns a token of URL-safe Base64."""
        return self._fernet.encrypt(text.encode("ascii")).decode("ascii")

    def decrypt(self, token: Any) -> str:
        """Decrypt a token.

        :raises UnknownKey: it was not encrypted with a key that is known here.
        """
        try:
            return self._fernet.decrypt(token).decode("ascii")
        except (self._invalid, TypeError, UnicodeError):
            raise UnknownKey(
                "encrypted with a key that is not in the setting encryption_key here"
            ) from None


def cipher_of(keys: Sequence[bytes]) -> Cipher | None:
    """The cipher of these keys; None without keys.

    :raises ConfigurationError: as :class:`Cipher`.
    """
    return Cipher(keys) if keys else None


def decrypted(cipher: Cipher | None, token: Any) -> str:
    """Decrypt a token.

    :param cipher: None if no encryption key is set.
    :raises UnknownKey: it was not encrypted with a key that is known here.
    """
    if cipher is None:
        raise UnknownKey("encrypted, and the setting encryption_key is not set here")
    return cipher.decrypt(token)


def token_bytes(size_bytes: int) -> int:
    """The size in bytes of the token for a text of ``size_bytes`` bytes."""
    padded = (size_bytes // _BLOCK_BYTES + 1) * _BLOCK_BYTES
    return -(-(_FRAME_BYTES + padded) // 3) * 4
