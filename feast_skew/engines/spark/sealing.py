"""How the store is reached, on its way to executors: in two parts of which neither tells anything alone.

One may lie on a disk, a key goes another way. Executors load this, so that nothing of Feast may be imported here.
"""

from __future__ import annotations

import hashlib
import pickle
import secrets
import zlib
from typing import Any

from feast_skew.stores.redis.remote import Recipe

_KEY_BYTES = 32


def seal(content: bytes) -> tuple[bytes, bytes]:
    """Give the sealed content and its key, which is made for it alone."""
    key = secrets.token_bytes(_KEY_BYTES)
    return unseal(content, key), key


def unseal(sealed: bytes, key: bytes) -> bytes:
    """Give the content; sealing is the same, as both add the key's stream."""
    stream = hashlib.shake_256(key).digest(len(sealed))
    return (int.from_bytes(sealed, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(sealed), "big")


class SealedRecipe:
    """Gives a recipe out of a broadcast that is sealed."""

    def __init__(self, broadcast: Any, key: bytes) -> None:
        self._broadcast = broadcast
        self._key = key

    def __call__(self) -> Recipe:
        """Give it."""
        recipe: Recipe = pickle.loads(unseal(self._broadcast.value, self._key))  # noqa: S301  our own driver wrote it
        return recipe


class PackedRecipe:
    """Gives a recipe that travels with the task."""

    def __init__(self, recipe: Recipe) -> None:
        self._packed = zlib.compress(pickle.dumps(recipe))

    def __call__(self) -> Recipe:
        """Give it."""
        recipe: Recipe = pickle.loads(zlib.decompress(self._packed))  # noqa: S301  our own driver wrote it
        return recipe
