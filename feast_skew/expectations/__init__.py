"""Great Expectations as rules of a run, and skew as expectations of one's own; importing it registers them with GX."""

from __future__ import annotations

import os

from feast_skew.errors import ConfigError

# Older 1.x versions report their use over the network, and read this when they are imported.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
try:
    import great_expectations  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "great_expectations":
        raise
    raise ConfigError(
        "Great Expectations is not installed, and expectations need it", hint="pip install 'feast-skew[gx]'"
    ) from None

from feast_skew.expectations.features import (
    ExpectFeatureMeanDifferenceToBeWithin,
    ExpectFeatureMetricToBeBetween,
    ExpectFeatureMismatchRateToBeAtMost,
    ExpectFeatureNullRateDifferenceToBeWithin,
    ExpectFeaturePresenceRateToBeAtMost,
    ExpectFeaturePsiToBeAtMost,
    ExpectFeatureVarianceRatioToBeWithin,
    ExpectFeatureVerdictToBeInSet,
)
from feast_skew.expectations.metrics import metrics_table

__all__ = [
    "ExpectFeatureMeanDifferenceToBeWithin",
    "ExpectFeatureMetricToBeBetween",
    "ExpectFeatureMismatchRateToBeAtMost",
    "ExpectFeatureNullRateDifferenceToBeWithin",
    "ExpectFeaturePresenceRateToBeAtMost",
    "ExpectFeaturePsiToBeAtMost",
    "ExpectFeatureVarianceRatioToBeWithin",
    "ExpectFeatureVerdictToBeInSet",
    "metrics_table",
]
