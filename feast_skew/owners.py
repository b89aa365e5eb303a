"""Reports by owner: who owns what, and the part of a report that is one owner's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from feast_skew.report import FeatureResult, Finding, SkewReport

NOBODY = ""
"""The owner of features that have none."""

NO_OWNER = "FS217"
_SAFE = re.compile(r"[^A-Za-z0-9_.@+-]+")
_UNOWNED = "unowned"
_DIGESTED = re.compile(r"(^|-)[0-9a-f]{8}$")
_SHOWN = 5


def owners_of(report: SkewReport) -> list[str]:
    """Give the owners in a report by name, `NOBODY` last; whoever owns the worst feature is not told apart."""
    found = {feature.owner for feature in report.features}
    return [*sorted(found - {NOBODY}), *sorted(found & {NOBODY})]


def for_owner(report: SkewReport, owner: str) -> SkewReport:
    """Give the part of a report that belongs to an owner: their features, and what was found about those features' views.

    The verdict follows from these. A baseline's account of the whole run is left out.
    """
    features = tuple(feature for feature in report.features if feature.owner == owner)
    views = {feature.view for feature in features}
    return replace(
        report,
        features=features,
        findings=tuple(finding for finding in report.findings if finding.view in views),
        skipped=(),
        expectations=tuple(rule for rule in report.expectations if rule.get("view") in views),
        baseline=None,
    )


def file_name(owner: str) -> str:
    """Give a name for an owner's file that is safe in any directory and no other owner's, also where capitals are told apart by none."""
    if owner == NOBODY:
        return _UNOWNED
    plain = _SAFE.sub("_", owner).strip(".")[:100]
    if plain == owner and owner == owner.lower() and owner != _UNOWNED and not _DIGESTED.search(owner):
        return plain
    digest = hashlib.blake2b(owner.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{plain}-{digest}" if plain else digest


def without_owner(features: Sequence[FeatureResult]) -> list[Finding]:
    """Give a finding for each view with features that nobody owns: nobody would be told of them."""
    lacking: dict[str, list[str]] = {}
    for feature in features:
        if feature.owner == NOBODY:
            lacking.setdefault(feature.view, []).append(feature.feature)
    return [
        Finding(
            NO_OWNER,
            "info",
            view,
            f"nobody owns {_few(sorted(names))}, so nobody is told when they differ",
            "set `owner` on the view, or the tag `skew.owner` on the view, a field or a service",
        )
        for view, names in sorted(lacking.items())
    ]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
