"""Expectations over the metrics of features, for any table that `metrics_table` gives, in pandas and in Spark."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Optional

from great_expectations.compatibility import pydantic
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation, render_suite_parameter_string
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render.components import (
    LegacyDiagnosticRendererType,
    LegacyRendererType,
    RenderedStringTemplateContent,
)
from great_expectations.render.renderer.renderer import renderer
from great_expectations.render.renderer_configuration import RendererConfiguration, RendererValueType
from great_expectations.validator.metric_configuration import MetricConfiguration

_METRIC = "feast_skew.metric_of_features"
_NAMED = 5
Rows = list[tuple[str, str, Any]]
"""View, feature and the value of one metric, None where there is none."""


class MetricOfFeatures(TableMetricProvider):
    """The values of one column for the features that were selected; the table is small, so they are handed over whole."""

    metric_name = _METRIC
    value_keys = ("metric", "view", "feature")

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, execution_engine: Any, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Rows:  # noqa: N805
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        metric = _checked(metric_value_kwargs["metric"], [str(name) for name in frame.columns])
        return _selected(frame[["view", "feature", metric]].itertuples(index=False, name=None), metric_value_kwargs)

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(cls, execution_engine: Any, metric_domain_kwargs: Any, metric_value_kwargs: Any, **_: Any) -> Rows:  # noqa: N805
        frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        metric = _checked(metric_value_kwargs["metric"], frame.columns)
        for name in ("view", "feature"):
            if metric_value_kwargs[name] is not None:
                frame = frame.filter(frame[name] == metric_value_kwargs[name])
        return _selected(frame.select("view", "feature", metric).collect(), metric_value_kwargs)


def _checked(metric: str, columns: list[str]) -> str:
    missing = [name for name in ("view", "feature", metric) if name not in columns]
    if missing:
        raise KeyError(f"the table of metrics has no column {missing[0]!r}; it has {', '.join(columns)}")
    return metric


def _selected(rows: Any, wanted: Mapping[str, Any]) -> Rows:
    return [
        (str(view), str(feature), None if value is None or value != value else value)  # noqa: PLR0124  NaN
        for view, feature, value in rows
        if wanted["view"] in (None, view) and wanted["feature"] in (None, feature)
    ]


class FeatureExpectation(BatchExpectation):
    """Base of the expectations over metrics: which features, and what becomes of those without a value.

    `view` and `feature` single out rows by name. Success needs at least one row, and a value in every one, or with
    `allow_missing` in at least one: what was not measured has not agreed.
    """

    view: Optional[str] = None  # noqa: UP045  GX reads annotations with pydantic 1, which knows no `|` on Python 3.9
    feature: Optional[str] = None  # noqa: UP045
    allow_missing: bool = False

    column: ClassVar[str] = ""
    says: ClassVar[str] = ""
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)
    success_keys: ClassVar[tuple[str, ...]] = ("view", "feature", "allow_missing", "max_value")
    args_keys: ClassVar[tuple[str, ...]] = ("view", "feature")

    @classmethod
    def is_abstract(cls) -> bool:
        """Tell GX which classes are expectations to be registered, and which are their bases."""
        return not cls.says

    @abstractmethod
    def excess(self, value: Any) -> float:
        """Give how far a value lies beyond the limit, at most 0 where it is kept."""

    def column_name(self) -> str:
        """Give the column of the table that is held to the limit."""
        return self.column

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None
    ) -> Any:
        """Ask for the values of the selected features."""
        needed = super().get_validation_dependencies(execution_engine, runtime_configuration)
        needed.set_metric_configuration(
            metric_name=_METRIC,
            metric_configuration=MetricConfiguration(
                metric_name=_METRIC,
                metric_domain_kwargs=self._get_domain_kwargs(),
                metric_value_kwargs={"metric": self.column_name(), "view": self.view, "feature": self.feature},
            ),
        )
        return needed

    def _validate(
        self,
        metrics: Mapping[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002  GX hands it over by name
        execution_engine: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        rows: Rows = metrics[_METRIC]
        missing = [f"{view}:{feature}" for view, feature, value in rows if value is None]
        known = [(f"{view}:{feature}", value) for view, feature, value in rows if value is not None]
        beyond = {ref: value for ref, value in known if self.excess(value) > 0}
        unmet = len(beyond) + (0 if self.allow_missing else len(missing))
        reason = self._reason(rows, known, beyond, missing)
        worst = max(known, key=lambda entry: self.excess(entry[1]), default=(None, None))
        return {
            "success": not reason,
            "result": {
                "observed_value": worst[1],
                "element_count": len(rows),
                "missing_count": len(missing),
                "unexpected_count": unmet,
                "unexpected_percent": 100.0 * unmet / len(rows) if rows else None,
                "details": {"feature": worst[0], "reason": reason, "beyond": beyond, "missing": missing},
            },
        }

    def _reason(self, rows: Rows, known: list[tuple[str, Any]], beyond: Mapping[str, Any], missing: list[str]) -> str:
        """Say why the expectation is not met; empty when it is."""
        if not rows:
            asked = [f"{name} {value!r}" for name, value in (("view", self.view), ("feature", self.feature)) if value]
            return f"no row with {' and '.join(asked)}" if asked else "the table has no rows"
        if beyond:
            return "beyond the limit: " + _listed([f"{ref} {_short(value)}" for ref, value in beyond.items()])
        if missing and not self.allow_missing:
            return f"no {self.column_name()} of " + _listed(missing)
        return "" if known else f"none of the {len(rows)} selected features has a {self.column_name()}"

    @classmethod
    def _sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """Say the expectation as a sentence, with its parameters as `$name`."""
        whose = {
            (True, True): "of $view:$feature",
            (True, False): "of every feature of $view",
            (False, True): "of every $feature",
        }.get((kwargs.get("view") is not None, kwargs.get("feature") is not None), "of every feature")
        lenient = ", where there is one" if kwargs.get("allow_missing") else ""
        return f"{cls.says.format(whose=whose)}{lenient}."

    @classmethod
    def _with_defaults(cls, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: kwargs.get(name, cls.__fields__[name].default) for name in cls.success_keys}

    @classmethod
    def _prescriptive_template(cls, renderer_configuration: RendererConfiguration[Any]) -> RendererConfiguration[Any]:
        kwargs = cls._with_defaults(renderer_configuration.kwargs)
        types = {"max_value": RendererValueType.NUMBER, "min_value": RendererValueType.NUMBER}
        for name in cls.success_keys:
            if name != "allow_missing" and kwargs.get(name) is not None:
                text = kwargs[name] if name in types else str(kwargs[name])
                kind = types.get(name, RendererValueType.STRING)
                renderer_configuration.add_param(name=name, param_type=kind, value=text)
        renderer_configuration.template_str = cls._sentence(kwargs)
        return renderer_configuration

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    @render_suite_parameter_string
    def _prescriptive_renderer(
        cls,
        configuration: Any = None,
        result: Any = None,
        runtime_configuration: dict[str, Any] | None = None,
        **_: Any,
    ) -> list[Any]:
        found = configuration or (result.expectation_config if result is not None else None)
        kwargs = cls._with_defaults(found.kwargs if found is not None else {})
        template = {
            "template": cls._sentence(kwargs),
            "params": kwargs,
            "styling": (runtime_configuration or {}).get("styling"),
        }
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=template)]

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.OBSERVED_VALUE)
    def _diagnostic_observed_value_renderer(
        cls,
        configuration: Any = None,  # noqa: ARG003  GX hands it over by name
        result: Any = None,
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG003
        **_: Any,
    ) -> str:
        facts = (result.result if result is not None else None) or {}
        details = facts.get("details") or {}
        if details.get("reason"):
            return str(details["reason"])
        value = facts.get("observed_value")
        return "--" if value is None else f"at worst {_short(value)} ({details.get('feature')})"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _limit(value: float, least: float) -> float:
    if not (least <= value < math.inf):
        raise ValueError(f"must be a number of at least {least:g}, got {value!r}")
    return value


class FeatureMetricAtMost(FeatureExpectation):
    """Base of limits on a distance that is 0 when both stores agree; its sign does not matter."""

    max_value: float

    @pydantic.validator("max_value")
    def _finite(cls, value: float) -> float:  # noqa: N805
        return _limit(value, 0.0)

    def excess(self, value: Any) -> float:
        """Give how far the size of the value lies beyond the limit."""
        return abs(float(value)) - self.max_value


class ExpectFeatureMismatchRateToBeAtMost(FeatureMetricAtMost):
    """Expect the share of wrong entities among the compared ones, 0..1, to be at most `max_value`.

    There is none where no rows share a timestamp: see `allow_missing`.
    """

    column: ClassVar[str] = "mismatch_rate"
    says: ClassVar[str] = "The mismatch rate {whose} must be at most $max_value"


class ExpectFeaturePresenceRateToBeAtMost(FeatureMetricAtMost):
    """Expect the share of sampled entities that are in one store only, 0..1, to be at most `max_value`."""

    column: ClassVar[str] = "presence_rate"
    says: ClassVar[str] = "The share of entities {whose} in one store only must be at most $max_value"


class ExpectFeaturePsiToBeAtMost(FeatureMetricAtMost):
    """Expect the population stability index, 0 or more, to be at most `max_value`."""

    column: ClassVar[str] = "psi"
    says: ClassVar[str] = "The PSI {whose} must be at most $max_value"


class ExpectFeatureMeanDifferenceToBeWithin(FeatureMetricAtMost):
    """Expect the means to be at most `max_value` standard deviations of offline apart, either way."""

    column: ClassVar[str] = "mean_difference_standardized"
    says: ClassVar[str] = "The means {whose} must be within $max_value standard deviations of each other"


class ExpectFeatureNullRateDifferenceToBeWithin(FeatureMetricAtMost):
    """Expect the shares of nulls, 0..1, to differ by at most `max_value`, either way."""

    column: ClassVar[str] = "null_rate_difference"
    says: ClassVar[str] = "The shares of nulls {whose} must be within $max_value of each other"


class ExpectFeatureVarianceRatioToBeWithin(FeatureExpectation):
    """Expect the variances to differ by a factor of at most `max_value`, 1 or more, either way."""

    max_value: float
    column: ClassVar[str] = "variance_ratio"
    says: ClassVar[str] = "The variances {whose} must be within a factor of $max_value of each other"

    @pydantic.validator("max_value")
    def _factor(cls, value: float) -> float:  # noqa: N805
        return _limit(value, 1.0)

    def excess(self, value: Any) -> float:
        """Give how far the ratio, or its inverse when that is larger, lies beyond the limit."""
        ratio = float(value)
        return (max(ratio, 1.0 / ratio) if ratio > 0 else math.inf) - self.max_value


class ExpectFeatureMetricToBeBetween(FeatureExpectation):
    """Expect any column of numbers, `metric`, to lie between `min_value` and `max_value`, both included."""

    metric: str
    min_value: Optional[float] = None  # noqa: UP045
    max_value: Optional[float] = None  # noqa: UP045
    success_keys: ClassVar[tuple[str, ...]] = (*FeatureExpectation.success_keys, "metric", "min_value")
    says: ClassVar[str] = "The $metric {whose} must be between $min_value and $max_value"

    @pydantic.root_validator
    def _bounds(cls, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
        low, high = values.get("min_value"), values.get("max_value")
        if low is None and high is None:
            raise ValueError("min_value or max_value is needed")
        if any(bound is not None and not math.isfinite(bound) for bound in (low, high)):
            raise ValueError("min_value and max_value must be numbers")
        if low is not None and high is not None and low > high:
            raise ValueError("min_value must not be above max_value")
        return values

    def column_name(self) -> str:
        """Give the column of the table that is held to the limit."""
        return self.metric

    def excess(self, value: Any) -> float:
        """Give how far the value lies outside the bounds."""
        number = float(value)
        below = self.min_value - number if self.min_value is not None else -math.inf
        above = number - self.max_value if self.max_value is not None else -math.inf
        return max(below, above)

    @classmethod
    def _sentence(cls, kwargs: Mapping[str, Any]) -> str:
        text = super()._sentence(kwargs)
        if kwargs.get("min_value") is None:
            return text.replace("between $min_value and $max_value", "at most $max_value")
        if kwargs.get("max_value") is None:
            return text.replace("between $min_value and $max_value", "at least $min_value")
        return text


class ExpectFeatureVerdictToBeInSet(FeatureExpectation):
    """Expect the verdict, which weighs the intervals against the budgets, to be one of `value_set`."""

    value_set: list[str] = ["pass", "warn"]  # noqa: RUF012  pydantic copies defaults
    column: ClassVar[str] = "verdict"
    says: ClassVar[str] = "The verdict {whose} must be one of $value_set"
    success_keys: ClassVar[tuple[str, ...]] = ("view", "feature", "allow_missing", "value_set")

    @pydantic.validator("value_set")
    def _known(cls, value: list[str]) -> list[str]:  # noqa: N805
        known = ("pass", "warn", "fail", "inconclusive", "error")
        if not value or not set(value) <= set(known):
            raise ValueError(f"must name verdicts out of {', '.join(known)}")
        return value

    def excess(self, value: Any) -> float:
        """Give 1 for a verdict that is not wanted, else 0."""
        return 0.0 if str(value) in self.value_set else 1.0
