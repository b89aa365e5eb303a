"""Settings: their layers, their defaults, and errors that say which key to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from feast_skew.alert_settings import AlertSettings, ResponseSetting, SilenceSetting
from feast_skew.errors import ConfigError
from feast_skew.setting_values import (
    DAY,
    MAX_OPS,
    Duration,
    Folder,
    Gateway,
    History,
    Limit,
    Number,
    Ops,
    Power,
    Rate,
    Sample,
    Share,
    Whole,
)

CONFIG_NAME = "feast_skew.yaml"
TAG_PREFIX = "skew."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ToleranceSetting(_Strict):
    """How far two numbers may lie apart and still be the same."""

    rtol: Number = Field(0.0, ge=0.0)
    atol: Number = Field(0.0, ge=0.0)


class IgnoreSetting(_Strict):
    """A feature that is measured but not judged until a date, and why."""

    until: date
    reason: str = Field(min_length=1)


class Definition(_Strict):
    """What a feature means: the aggregate of a value column over a window of events."""

    events: str
    keys: dict[str, str]
    timestamp: str
    value: str | None = None
    aggregate: Literal["mean", "sum", "count", "min", "max", "last", "distinct", "std"]
    window: Annotated[Duration, Field(gt=0)] | None = None
    start: Literal["inclusive", "exclusive"] = "exclusive"
    end: Literal["inclusive", "exclusive"] = "inclusive"
    created: str | None = None

    @model_validator(mode="after")
    def _has_value(self) -> Definition:
        if self.value is None and self.aggregate != "count":
            raise ValueError(f"the {self.aggregate} of what? name the column as `value`")
        return self


class FeatureSettings(_Strict):
    """What is asked of one feature."""

    mismatch_budget: Share = 0.001
    presence_budget: Share = 0.001
    tolerance: ToleranceSetting | None = None
    max_lag: Duration | None = None
    align_within: Duration = 0
    psi: Limit | None = None
    mean: Limit | None = None
    variance: Limit | None = None
    null_rate: Limit | None = None
    owner: str | None = None
    runbook: str | None = None
    channel: str | None = None
    ignore: IgnoreSetting | None = None
    definition: Definition | None = None


class RunSettings(_Strict):
    """What is asked of a run."""

    sample: Sample = 10_000
    detect: Rate | None = None
    power: Power = 0.95
    seed: Whole = Field(0, ge=-(2**63), lt=2**63)
    confidence: Number = Field(0.95, gt=0.5, lt=1.0)
    fail_on: Literal["warn", "fail"] = "fail"
    allow_inconclusive: bool = False
    show_entities: bool = False
    history: History = None
    alerts: AlertSettings | None = None
    responses: tuple[ResponseSetting, ...] = ()
    history_keep: Duration = 400 * DAY
    state: str | None = None
    provider: str | None = None
    lint_disable: tuple[str, ...] = ()
    expectations: Folder = None
    push_metrics: Gateway = None
    max_ops: Ops = MAX_OPS
    read_from: Literal["primary", "replica"] = "primary"
    spark_staging: str | None = None
    wrong_rows: str | None = None
    wrong_rows_format: str = "parquet"
    spark_partitions: Whole | None = Field(None, ge=1, lt=2**20)


TEXTS = ("owner", "runbook", "channel")
"""Settings whose tags are taken as they are, not as YAML."""

_NESTED: dict[str, type[BaseModel]] = {
    "tolerance": ToleranceSetting,
    "ignore": IgnoreSetting,
    "definition": Definition,
    "alerts": AlertSettings,
    "silence": SilenceSetting,
    "responses": ResponseSetting,
}
_SECRET = ("alerts", "history", "push_metrics", "responses")
"""Settings whose values may hold a password, and are not repeated in an error."""
_SECTIONS = ("defaults", "views", "features")


class Settings:
    """All layers of settings of a run, asked for one feature at a time."""

    def __init__(self) -> None:
        self._run: dict[str, Any] = {}
        self._layers: list[tuple[str, dict[str, Any]]] = []

    @classmethod
    def of_repository(cls, block: Mapping[str, Any], path: Path, config: str | Path | None) -> Settings:
        """Lay the file of settings of a repository in that directory over the `feast_skew:` block of its feature_store.yaml.

        Raises
        ------
        ConfigError
            For unknown keys and bad values, and a file that was named and is not there.
        """
        layers = cls()
        layers.add_layer("feast_skew: in feature_store.yaml", block)
        file = Path(config) if config is not None else path / CONFIG_NAME
        if config is not None or file.is_file():
            layers.add_layer(str(file), read_config_file(file))
        return layers

    def add_layer(self, origin: str, content: Mapping[str, Any]) -> None:
        """Put a layer over the ones before it; `origin` is named in errors.

        Raises
        ------
        ConfigError
            For unknown keys and values out of range.
        """
        if not isinstance(content, Mapping):
            raise ConfigError(f"{origin} must hold settings by name", hint="for example `sample: 5000`")
        known = [*RunSettings.model_fields, *_SECTIONS]
        for key in content:
            if key not in known:
                raise unknown_key(origin, str(key), known)
        sections = {name: content[name] or {} for name in _SECTIONS if name in content}
        for name, section in sections.items():
            if not isinstance(section, Mapping):
                raise ConfigError(f"{origin}: {name} must hold settings by name", hint=f"got {section!r}")
        _check(FeatureSettings, origin + ": defaults", sections.get("defaults", {}))
        for name in ("views", "features"):
            for target, values in sections.get(name, {}).items():
                if name == "features" and ":" not in str(target):
                    raise ConfigError(
                        f"{origin}: features: {target!r} names no feature", hint="write it as view:feature"
                    )
                if not isinstance(values or {}, Mapping):
                    raise ConfigError(
                        f"{origin}: {name}: {target} must hold settings by name", hint="for example `psi: 0.1`"
                    )
                _check(FeatureSettings, f"{origin}: {name}: {target}", values or {})
        run = {key: value for key, value in content.items() if key not in _SECTIONS}
        _check(RunSettings, origin, run)
        self._run.update(run)
        self._layers.append((origin, sections))

    @property
    def run(self) -> RunSettings:
        """The settings of the run, all layers taken together."""
        return RunSettings.model_validate(self._run)

    def named_targets(self) -> Iterable[tuple[str, str, str]]:
        """Yield (origin, section, name) for every view and feature that a layer names, to be checked against a registry."""
        for origin, sections in self._layers:
            for section in ("views", "features"):
                for name in sections.get(section, {}):
                    yield origin, section, str(name)

    def feature(
        self, view: str, feature: str, view_tags: Mapping[str, str], field_tags: Mapping[str, str]
    ) -> FeatureSettings:
        """Give the settings of one feature: defaults, tags of the view and the field, then the layers in order."""
        values: dict[str, Any] = {}
        values.update(tag_settings(f"view {view}", view_tags))
        values.update(tag_settings(f"feature {view}:{feature}", field_tags))
        for _, sections in self._layers:
            values.update(sections.get("defaults") or {})
            values.update((sections.get("views") or {}).get(view) or {})
            values.update((sections.get("features") or {}).get(f"{view}:{feature}") or {})
        return FeatureSettings.model_validate(values)


def tag_settings(origin: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """Read the `skew.*` tags of a Feast object; values are YAML, as tags can only hold text.

    Raises
    ------
    ConfigError
        For an unknown `skew.*` tag or a value that cannot be read.
    """
    values: dict[str, Any] = {}
    for tag, text in tags.items():
        if not tag.startswith(TAG_PREFIX):
            continue
        key = tag[len(TAG_PREFIX) :]
        if key not in FeatureSettings.model_fields:
            raise unknown_key(f"tag of {origin}", tag, [TAG_PREFIX + name for name in FeatureSettings.model_fields])
        try:
            values[key] = yaml.safe_load(text) if key not in TEXTS else text
        except yaml.YAMLError:
            raise ConfigError(f"tag {tag} of {origin} cannot be read", hint="write it as YAML or JSON") from None
    _check(FeatureSettings, f"tags of {origin}", values)
    return values


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings; an empty file holds none.

    Raises
    ------
    ConfigError
        When the file is missing, is no YAML, or holds no mapping.
    """
    if path.is_dir():
        raise ConfigError(f"configuration file {path} is a directory", hint="give a file to --config")
    if not path.exists():
        raise ConfigError(f"configuration file {path} does not exist", hint="give another path to --config")
    return read_yaml(path, "configuration file", _OnceLoader)


class _OnceLoader(yaml.SafeLoader):
    """Turns away a key that is written twice, where YAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is written twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(
    path: Path, what: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader, *, example: str = "sample: 5000"
) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, such as the example; an empty file is an empty one.

    Raises
    ------
    ConfigError
        When the file cannot be read, is no YAML, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read", hint=error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path} is no text in UTF-8", hint=f"byte {error.start} is {error.reason}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{what} {path} cannot be read as YAML", hint=_yaml_trouble(error)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{what} {path} must hold settings by name", hint=f"for example `{example}`")
    return content


def _yaml_trouble(error: Exception) -> str:
    """Say what is wrong and where, without the lines around it: one may hold a password."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark is not None else problem


def unknown_key(origin: str, key: str, known: Iterable[str]) -> ConfigError:
    """Make the error for a name that nothing has, with the nearest names that exist."""
    return ConfigError(f"{origin}: unknown key {key!r}", hint=suggestion(key, known))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Give a hint with the nearest of the known names, or a few of them."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "known: " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "there are none"


def _check(model: type[BaseModel], origin: str, values: object) -> None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        # A misspelt key also leaves the one it was meant for missing: the misspelling is the news.
        first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
        place = [str(part) for part in first["loc"]]
        owner = ": ".join([origin, *place[:-1]])
        if first["type"] == "extra_forbidden":
            target: type[BaseModel] = model
            for part in place[:-1]:
                target = _NESTED.get(part, target)
            raise unknown_key(owner, place[-1], target.model_fields) from None
        if first["type"] == "missing":
            raise ConfigError(f"{owner}: {place[-1]} is missing", hint="add it") from None
        where = f"{origin}: {'.'.join(place)}" if place else origin
        shown = "" if {*place, *origin.split(": ")} & {*_SECRET} else f"got {first.get('input')!r}"
        if first["type"] in ("model_type", "dict_type"):
            raise ConfigError(f"{where} must hold settings by name", hint=shown) from None
        message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        raise ConfigError(f"{where}: {message}", hint=shown) from None
