"""Signing of messages and replies, which are kept where others may write."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any

import itsdangerous
from itsdangerous import BadSignature
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.signer import SigningAlgorithm

from ..errors import BadMessage, WrongSignature

#: A text that ends in something like a signature: 32 bytes in Base64.
_SIGNED = re.compile(r".*\.[A-Za-z0-9_-]{43}", re.ASCII | re.DOTALL)


class _Sha256(SigningAlgorithm):
    """HMAC with SHA-256, as that of itsdangerous, in a third of its time."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class _Signer(itsdangerous.Signer):
    """Derives each key once, not for each text."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._derived: dict[str | bytes | None, bytes] = {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        derived = self._derived.get(secret_key)
        if derived is None:
            derived = self._derived[secret_key] = super().derive_key(secret_key)
        return derived


class Signer:
    """Signs texts and verifies them in constant time. Thread-safe.

    :param keys: the first signs, all verify, so that keys can be rotated.
    :param purpose: what is signed; a signature for one purpose is not valid for
        another.
    """

    def __init__(self, keys: Iterable[bytes], purpose: str) -> None:
        # itsdangerous signs with the last key of a list.
        self._signer = _Signer(
            list(reversed(list(keys))),
            salt=f"nereid_async {purpose}".encode(),
            key_derivation="hmac",
            digest_method=hashlib.sha256,
            algorithm=_Sha256(),
        )

    def sign(self, text: str) -> str:
        """Return an ASCII text with a dot and its signature appended."""
        return self._signer.sign(text.encode("ascii")).decode("ascii")

    def unsign(self, text: str) -> str:
        """Verify a signed text and return it without its signature.

        :raises WrongSignature: the signature is wrong, or of a key not known here.
        :raises BadMessage: the text has no signature.
        """
        try:
            signed = text.encode("ascii")
            payload = self._signer.unsign(signed)
            # Base64 decoding ignores other characters and spare bits: a signature
            # must be spelled exactly as it was made.
            signature = signed.rpartition(b".")[2]
            if base64_encode(base64_decode(signature)) != signature:
                raise BadSignature("not spelled as it was signed")
            return payload.decode("ascii")
        except (BadSignature, UnicodeError):
            if _SIGNED.fullmatch(text):
                raise WrongSignature(
                    "not signed with a key of the setting signing_key here"
                ) from None
            raise BadMessage(
                f"no message of this package: {len(text)} bytes without a signature"
            ) from None
