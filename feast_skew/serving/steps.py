"""The steps of a run beside the views: on-demand views, then feature services with vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from feast_skew.config import RunSettings
from feast_skew.core.model import OnDemandPlan, Plan, Skipped
from feast_skew.errors import SkewError
from feast_skew.judging.feature import Draft, failed_draft
from feast_skew.measuring.progress import Progress
from feast_skew.measuring.sampling import ViewSample
from feast_skew.report import Finding
from feast_skew.serving.on_demand import judge_on_demand
from feast_skew.serving.precomputed import MOST_REQUESTS, vector_findings
from feast_skew.serving.requests import Seen, given_requests, most_requests, sampled_requests, service_requests
from feast_skew.stores.base import OfflineReader
from feast_skew.stores.serving import OnDemandPaths, VectorReader


@dataclass
class Serving:
    """What stands behind serving, and the requests that a user gave: by on-demand view, and as they are."""

    paths: OnDemandPaths
    vectors: VectorReader
    requests: Mapping[str, pa.Table] = field(default_factory=dict)
    given: pa.Table | None = None


@dataclass
class Served:
    """What came of it; `samples` are those of the on-demand views that were measured, by name."""

    drafts: list[Draft] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    samples: dict[str, ViewSample] = field(default_factory=dict)
    errors: list[SkewError] = field(default_factory=list)


def run_serving(
    plan: Plan,
    serving: Serving,
    seen: Seen,
    offline: OfflineReader,
    settings: RunSettings,
    as_of: int,
    progress: Progress,
) -> Served:
    """Compute the on-demand views of a plan on both code paths, and read its services both ways."""
    done = Served()
    for one in plan.on_demand:
        try:
            sample = _sample(one, serving, seen, offline, settings, as_of, progress)
            done.drafts += judge_on_demand(one, sample, serving.paths, settings, as_of, progress)
            done.samples[one.view.name] = sample
        except SkewError as error:
            done.errors.append(error)
            done.drafts += [failed_draft(one.view, feature, error.one_line()) for feature in one.view.features]
    for service in plan.services:
        requests = service_requests(service, seen, serving.given, MOST_REQUESTS)
        if requests is None:
            done.skipped.append(
                Skipped(f"service {service.name}", "no entity for a request to it was read in this run")
            )
            continue
        try:
            done.findings += vector_findings(service, requests, serving.vectors, progress)
        except SkewError as error:
            done.skipped.append(Skipped(f"service {service.name}", error.one_line()))
    return done


def _sample(
    plan: OnDemandPlan,
    serving: Serving,
    seen: Seen,
    offline: OfflineReader,
    settings: RunSettings,
    as_of: int,
    progress: Progress,
) -> ViewSample:
    most = most_requests(plan, settings.sample)
    given = serving.requests.get(plan.view.name)
    if given is not None:
        return given_requests(plan, given, most_requests(plan, given.num_rows), settings.seed)
    return sampled_requests(plan, seen, offline, as_of, most, settings.seed, progress)


def describe_serving(plan: Plan, requests: Mapping[str, pa.Table], sample: int) -> list[str]:
    """Say what a run would compute and read beside the views, a line or two for each view and service."""
    lines = []
    for one in plan.on_demand:
        given = requests.get(one.view.name)
        most = most_requests(one, sample if given is None else given.num_rows)
        sources = ", ".join(source.name for source in one.sources) or "request data alone"
        lines += [
            f"{one.view.name}: {', '.join(feature.name for feature in one.view.features)}",
            f"  both code paths, serving's and training's, for at most {most:,} requests, on {sources} online",
        ]
    lines += [
        f"service {one.name}: precomputed vectors of at most {MOST_REQUESTS:,} requests, and its views beside them"
        for one in plan.services
    ]
    return lines
