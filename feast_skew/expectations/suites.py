"""Suites of expectations in JSON files, read strictly: what Great Expectations would drop or pass over is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from great_expectations.exceptions.exceptions import ExpectationNotFoundError
from great_expectations.expectations.registry import (
    get_expectation_impl,
    list_registered_expectation_implementations,
)

from feast_skew.config import suggestion, unknown_key
from feast_skew.errors import ConfigError, UnknownName

VALUES, METRICS = "values", "metrics"
SEVERITIES = ("critical", "warning", "info")
_OF_A_SUITE = ("name", "meta", "expectations", "notes", "id")
_OF_A_RULE = ("type", "kwargs", "severity", "notes", "meta", "id", "description")
_OF_META = ("table", "view")
_ABOUT = 'add "meta": {"feast_skew": {"table": "values", "view": NAME}}, or "table": "metrics"'
_COLUMN_KWARGS = ("column", "column_A", "column_B", "column_list")


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite; `expectation` is Great Expectations' own object for it."""

    suite: str
    type: str
    kwargs: Mapping[str, Any]
    severity: str
    expectation: Any = field(compare=False, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule is about; none for one about the table."""
        named = [self.kwargs[name] for name in _COLUMN_KWARGS if name in self.kwargs]
        return tuple(str(column) for entry in named for column in (entry if isinstance(entry, list) else [entry]))


@dataclass(frozen=True)
class Suite:
    """The rules of one file: about the values of a view on both sides, or about the metrics of the run."""

    name: str
    file: Path
    table: str
    view: str
    rules: tuple[Rule, ...]


def suite_files(folder: Path) -> list[Path]:
    """Give the JSON files of a folder and of those in it, in order; hidden ones are left out."""
    found = folder.rglob("*.json")
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def read_suites(folder: Path, views: Mapping[str, Sequence[str]]) -> tuple[Suite, ...]:
    """Read all suites of a folder.

    Parameters
    ----------
    folder : path
        Searched with its sub-folders for `*.json`. Without any, there are no suites.
    views : mapping
        The columns by view that rules may be about: every view that the registry has, whether it is in the run or not.

    Raises
    ------
    ConfigError
        For a file that cannot be read, is no JSON or not in the form of a suite; for an empty suite, an unknown type or
        keyword of an expectation, a missing column, two suites of one name.
    UnknownName
        For a view or a feature that the registry does not have.
    """
    suites: dict[str, Suite] = {}
    for file in suite_files(folder):
        suite = _read(file, views)
        if suite.name in suites:
            raise ConfigError(
                f"suites {suites[suite.name].file} and {file} are both named {suite.name!r}", hint="rename one of them"
            )
        suites[suite.name] = suite
    return tuple(suites.values())


def _read(file: Path, views: Mapping[str, Sequence[str]]) -> Suite:
    raw = _object(_parse(file), f"suite {file}", _OF_A_SUITE)
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"suite {file} has no name", hint='add "name": "..."')
    meta = raw.get("meta")
    about = meta.get("feast_skew") if isinstance(meta, dict) else None
    if about is None:
        raise ConfigError(f"suite {file} does not say which table it is about", hint=_ABOUT)
    about = _object(about, f"suite {file}: meta.feast_skew", _OF_META)
    table, view = about.get("table"), about.get("view", "")
    if table not in (VALUES, METRICS) or (table == VALUES) != bool(view):
        raise ConfigError(f"suite {file}: meta.feast_skew does not say which table it is about", hint=_ABOUT)
    if view and view not in views:
        raise UnknownName(f"suite {file} is about view {view!r}, which does not exist", hint=suggestion(view, views))
    entries = raw.get("expectations")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(
            f"suite {file} has no expectations, and an empty suite would always pass",
            hint="add one, or remove the file",
        )
    rules = tuple(_rule(entry, name, f"suite {file}, expectation {number}") for number, entry in enumerate(entries, 1))
    suite = Suite(name, file, table, view, rules)
    _check_names(suite, views)
    return suite


def _parse(file: Path) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is written twice")
        return dict(pairs)

    def no_number(token: str) -> Any:
        raise ValueError(f"{token} is no number of JSON")

    try:
        return json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once, parse_constant=no_number)
    except OSError as error:
        raise ConfigError(f"suite {file} cannot be read", hint=error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:  # broken JSON and broken UTF-8 are ValueErrors
        raise ConfigError(f"suite {file} is no JSON", hint=str(error)) from None


def _object(given: Any, origin: str, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ConfigError(f"{origin} must be a JSON object", hint=f"with {', '.join(known)}")
    for key in given:
        if key not in known:
            raise unknown_key(origin, key, known)
    return given


def _rule(given: Any, suite: str, origin: str) -> Rule:
    entry = _object(given, origin, _OF_A_RULE)
    kind, kwargs, severity = entry.get("type"), entry.get("kwargs", {}), entry.get("severity", SEVERITIES[0])
    if not isinstance(kind, str):
        raise ConfigError(f"{origin} has no type", hint='add "type": "expect_..."')
    if severity not in SEVERITIES:
        raise ConfigError(f"{origin}: severity {severity!r}", hint=f"write one of {', '.join(SEVERITIES)}")
    try:
        implementation = get_expectation_impl(kind)
    except ExpectationNotFoundError:
        hint = suggestion(kind, list_registered_expectation_implementations())
        raise UnknownName(f"{origin}: there is no expectation {kind!r}", hint=hint) from None
    if not isinstance(kwargs, dict):
        raise ConfigError(f"{origin}: kwargs must be a JSON object", hint='such as {"column": "..."}')
    fields = [name for name in implementation.__fields__ if name not in _NOT_KWARGS]
    for key in kwargs:
        if key not in fields:
            raise unknown_key(f"{origin}: {kind}", key, fields)
    if {"min_value", "max_value"} <= set(fields) and not {"min_value", "max_value"} & set(kwargs):
        raise ConfigError(f"{origin}: {kind} would always pass", hint="give it a min_value or a max_value")
    try:
        expectation = implementation(**kwargs, severity=severity)
    except Exception as error:  # noqa: BLE001  whatever the expectation's own checks raise
        raise ConfigError(f"{origin}: {kind} cannot be used as it is", hint=_trouble(error)) from None
    return Rule(suite, kind, kwargs, severity, expectation)


# What an entry holds beside its kwargs, and what the runner decides.
_NOT_KWARGS = ("id", "meta", "notes", "severity", "description", "rendered_content", "result_format", "catch_exceptions",
               "batch_id", "windows", "expectation_type")  # fmt: skip


def _trouble(error: Exception) -> str:
    """Say what is wrong in one line; pydantic spreads it over several."""
    found = getattr(error, "errors", None)
    if callable(found) and (entries := found()):
        place = ".".join(str(part) for part in entries[0].get("loc", ()) if part != "__root__")
        return f"{place}: {entries[0].get('msg', '')}".removeprefix(": ")
    return " ".join(str(error).split())[:300]


def _check_names(suite: Suite, views: Mapping[str, Sequence[str]]) -> None:
    for rule in suite.rules:
        if suite.table == VALUES:
            for column in rule.columns:
                if column not in views[suite.view]:
                    raise UnknownName(
                        f"suite {suite.file}: {rule.type}: view {suite.view} has no column {column!r}",
                        hint=f"{suggestion(column, views[suite.view])} The columns are {', '.join(views[suite.view])}",
                    )
            continue
        view, feature = rule.kwargs.get("view"), rule.kwargs.get("feature")
        if view is not None and view not in views:
            raise UnknownName(f"suite {suite.file}: {rule.type}: no view {view!r}", hint=suggestion(str(view), views))
        features = views[view] if view is not None else [name for names in views.values() for name in names]
        if feature is not None and feature not in features:
            raise UnknownName(
                f"suite {suite.file}: {rule.type}: no feature {feature!r}", hint=suggestion(str(feature), features)
            )
