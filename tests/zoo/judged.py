"""A case judged: by feast-skew, and by what people use today."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from feast_skew import compare
from feast_skew.report import FeatureResult, SkewReport, Verdict
from zoo import peers
from zoo.cases import Case, Ran, claims, exact, named, says_unknown

LEAST_SHARE = 0.05
"""Share of the wrong entities from which on an account is held to be one: a few values are those of other nights by chance."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case. `others` counts right features beside it that failed, `beside` claims of how it came about that are no answer."""

    group: str
    variant: str
    form: str
    severity: str
    seed: int
    seconds: float
    differing: float
    found: bool
    first: bool
    parameter: bool
    provable: bool
    unknown: bool
    others: int
    beside: int
    psi: bool
    ks: bool
    equality: bool
    verdict: str
    said: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return asdict(self)


def run(case: Case) -> Ran:
    """Run a case: by itself in its stores, or by a comparison of its tables."""
    if case.run is not None:
        return case.run()
    assert case.make is not None
    world = case.make()
    begin = time.perf_counter()
    report = compare(
        world.offline, world.online, list(world.keys), config=dict(world.config), population=world.population
    )
    return Ran(report, time.perf_counter() - begin, world)


def judge(case: Case) -> Outcome:
    """Judge a case."""
    ran = run(case)
    return outcome(case, ran.report, ran.seconds, peers.judge(ran.world, case.feature))


def outcome(case: Case, report: SkewReport, seconds: float, alarms: peers.Alarms) -> Outcome:
    """Hold a report against the answers of its case."""
    result = next(feature for feature in report.features if feature.feature == case.feature)
    found = result.verdict is Verdict.FAIL or (case.warns and result.verdict is Verdict.WARN)
    affected = {"stale", "restated", "not_materialized", "orphan", "expired", "key", "swapped_feature"}
    others = sum(
        feature.verdict is Verdict.FAIL
        for feature in report.features
        if feature is not result and case.group not in affected
    )
    # What a value is may be said beside how it came about: it is true of the values. How it came about may not be made up.
    hows = {answer.code for answer in case.answers if answer.kind == "how"}
    beside = sum(
        cause.kind == "how" and cause.code not in hows and cause.share >= LEAST_SHARE for cause in claims(result.causes)
    )
    return Outcome(
        case.group, case.variant, case.form, case.severity, case.seed, seconds, alarms.differing,
        found, named(case, result.causes), exact(case, result.causes), case.provable, says_unknown(result.causes),
        others, beside, alarms.psi, alarms.ks, alarms.equality, result.verdict.value, said(result),
    )  # fmt: skip


def said(result: FeatureResult) -> str:
    """Write what a run said of a feature in one line."""
    return (
        result.verdict.value
        + "; "
        + "; ".join(
            f"{cause.code} {cause.share:.3f} ({cause.confidence:.2f}) {_short(cause.evidence)}"
            for cause in result.causes[:3]
        )
    )


def _short(evidence: Any) -> str:
    text = ", ".join(f"{key}={value}" for key, value in evidence.items() if key not in ("entities", "share"))
    return text[:160]
