"""Bytes in two parts of which neither tells anything alone: one that may lie on a disk, and a key that goes another way."""

from __future__ import annotations

import hashlib
import secrets

_KEY_BYTES = 32


def seal(content: bytes) -> tuple[bytes, bytes]:
    """Give the sealed content and its key, which is made for it alone."""
    key = secrets.token_bytes(_KEY_BYTES)
    return unseal(content, key), key


def unseal(sealed: bytes, key: bytes) -> bytes:
    """Give the content; sealing is the same, as both add the key's stream."""
    stream = hashlib.shake_256(key).digest(len(sealed))
    return (int.from_bytes(sealed, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(sealed), "big")
