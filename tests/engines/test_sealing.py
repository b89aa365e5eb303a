"""What is sealed comes back with its key, and is not to be seen without."""

from __future__ import annotations

import pytest

from feast_skew.engines.spark.sealing import seal, unseal


@pytest.mark.parametrize("content", [b"", b"\0", b"\0\0hunter2", b"hunter2secret" * 5_000])
def test_both_parts_give_the_content(content: bytes) -> None:
    sealed, key = seal(content)
    again, other = seal(content)
    assert unseal(sealed, key) == unseal(again, other) == content
    assert len(sealed) == len(content)
    if len(content) > 5:
        assert sealed != again
        assert b"hunter2" not in sealed
        assert unseal(sealed, other) != content
