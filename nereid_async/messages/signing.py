"""Signing of what lies where others might write: messages and replies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import itsdangerous
from itsdangerous import BadSignature
from itsdangerous.encoding import base64_decode, base64_encode

from ..errors import BadMessage, WrongSignature

#: Ends in what may be a signature: 32 bytes in base64.
_SIGNED = re.compile(r".*\.[A-Za-z0-9_-]{43}", re.ASCII | re.DOTALL)


class Signer:
    """Signs text and checks it, in constant time. Thread-safe.

    :param keys: the first signs, all are accepted: that is how keys are rotated.
    :param purpose: what is signed; a text signed for one purpose is no good for
        another.
    """

    def __init__(self, keys: Iterable[bytes], purpose: str) -> None:
        # itsdangerous signs with the last key of a list.
        self._signer = itsdangerous.Signer(
            list(reversed(list(keys))),
            salt=f"nereid_async {purpose}".encode(),
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def sign(self, text: str) -> str:
        """The text, which must be ASCII, with its signature behind a dot."""
        return self._signer.sign(text.encode("ascii")).decode("ascii")

    def unsign(self, text: str) -> str:
        """The text without its signature.

        :raises WrongSignature: the signature is wrong, or of a key not known here.
        :raises BadMessage: there is none.
        """
        try:
            signed = text.encode("ascii")
            payload = self._signer.unsign(signed)
            # Decoding is lenient: it skips what is no base64, and spare bits.
            signature = signed.rpartition(b".")[2]
            if base64_encode(base64_decode(signature)) != signature:
                raise BadSignature("not spelled as it was signed")
            return payload.decode("ascii")
        except (BadSignature, UnicodeError) as error:
            if _SIGNED.fullmatch(text):
                raise WrongSignature(
                    "not signed with a key of the setting signing_key here"
                ) from None
            raise BadMessage(f"{type(error).__name__}, {len(text)} bytes") from None
