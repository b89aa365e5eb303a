"""feast-skew tells whether Feast's offline and online store mean the same thing, entity by entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feast_skew.api import validate
    from feast_skew.listener import NotMeasured, SkewFound, materialized
    from feast_skew.online import read_online
    from feast_skew.provider import SkewProvider
    from feast_skew.repairing.run import repair
    from feast_skew.report import SkewReport
    from feast_skew.tables import compare

__all__ = [
    "NotMeasured",
    "SkewFound",
    "SkewProvider",
    "SkewReport",
    "compare",
    "materialized",
    "read_online",
    "repair",
    "validate",
]

_HOMES = {
    "NotMeasured": "feast_skew.listener",
    "SkewFound": "feast_skew.listener",
    "SkewProvider": "feast_skew.provider",
    "SkewReport": "feast_skew.report",
    "compare": "feast_skew.tables",
    "materialized": "feast_skew.listener",
    "read_online": "feast_skew.online",
    "repair": "feast_skew.repairing.run",
    "validate": "feast_skew.api",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `--help` must not wait for Feast."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
