"""Functions of rows that never align: one is claimed when undoing it brings them within offline's own movement."""

from __future__ import annotations

from feast_skew.diagnosis.base import Case, Explanation
from feast_skew.judging.unaligned import Apart


def undone_apart(case: Case, apart: Apart) -> Explanation | None:
    return None
