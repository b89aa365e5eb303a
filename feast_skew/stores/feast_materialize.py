"""Feast's own materialization, in this process: what it would write, and writing it."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TextIO, cast

from feast import FeatureStore
from feast.errors import FeatureViewNotFoundException
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.version_utils import parse_version

from feast_skew.config import suggestion
from feast_skew.errors import ConfigError, StoreUnavailable, UnknownName

_YEAR = timedelta(weeks=52)
"""How far back Feast looks where a view sets no time to live."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Request:
    """What Feast is asked to write: these views, all that are online when none is named, up to `end`.

    No `start` means from where each view was materialized last. `every_row` is Feast's `--disable-event-timestamp`, `version` its
    `--version`. Both moments have a zone.
    """

    views: tuple[str, ...]
    start: datetime | None
    end: datetime
    every_row: bool = False
    version: str | None = None


@dataclass(frozen=True)
class Range:
    """The event timestamps of one view that a request writes, both ends included."""

    view: str
    start: datetime
    end: datetime


def ranges(store: FeatureStore, request: Request, now: datetime) -> list[Range]:
    """Tell which views Feast would write for a request, by name, and from where to where; nothing is written.

    Raises
    ------
    UnknownName
        For a view that the registry does not have.
    ConfigError
        When Feast does not materialize one of the views, or the version is not the one that is served; and when there is none.
    """
    _check_version(store, request)
    try:
        views = store._get_feature_views_to_materialize(list(request.views) or None)
    except FeatureViewNotFoundException as error:
        known = [view.name for view in store.registry.list_all_feature_views(store.project, allow_cache=True)]
        name = next((name for name in request.views if name not in known), "")
        raise UnknownName(f"no feature view {name!r}", hint=suggestion(name, known)) from error
    except ValueError as error:
        step = "name views that are, or leave out --view for all of them"
        raise ConfigError(_told(error).rstrip("."), hint=step) from error
    if not views:
        raise ConfigError(
            f"project {store.project} has no view to materialize", hint="no view is online; run `feast apply` first"
        )
    found = {view.name: Range(view.name, _start(store, view, request, now), request.end) for view in views}
    return [found[name] for name in sorted(found)]


def _check_version(store: FeatureStore, request: Request) -> None:
    if request.version is None:
        return
    try:
        number = store._validate_materialize_version(request.version, list(request.views))
    except ValueError as error:
        raise ConfigError(f"--version {request.version}", hint=_told(error)) from error
    if number is None:  # the latest one
        return
    served = getattr(_view(store, request.views[0]), "current_version_number", None) or 0
    if number != served:
        raise ConfigError(
            f"--version {request.version}: view {request.views[0]} is served from its version {served}, so there is "
            f"nothing to compare version {parse_version(request.version)[1]} with",
            hint="`feast materialize` writes it",
        )


def _view(store: FeatureStore, name: str) -> Any:
    views = {view.name: view for view in store.registry.list_all_feature_views(store.project, allow_cache=True)}
    if name not in views:
        raise UnknownName(f"no feature view {name!r}", hint=suggestion(name, views))
    return views[name]


def _start(store: FeatureStore, view: Any, request: Request, now: datetime) -> datetime:
    """Give from where Feast reads the rows of a view (as FeatureStore.materialize_incremental)."""
    if request.start is not None:
        return request.start
    if isinstance(view, OnDemandFeatureView):
        sources = (_view(store, use.name) for use in view.source_feature_view_projections.values())
        longest = max((source.ttl or timedelta(0) for source in sources), default=timedelta(0))
        return request.end - (longest or _YEAR)
    latest = cast("datetime | None", view.most_recent_end_time)
    if latest is not None:
        return latest if latest.tzinfo is not None else latest.replace(tzinfo=timezone.utc)
    if view.ttl is None:
        raise ConfigError(
            f"view {view.name} was never materialized and has no ttl, so Feast knows no start",
            hint="give START and END once",
        )
    return now - (view.ttl or _YEAR)


def materialize(
    store: FeatureStore, request: Request, *, told: bool = True, bars: bool = True, colour: bool = True
) -> None:
    """Have Feast write what is asked for and record the ranges; what it prints goes to standard error.

    Parameters
    ----------
    store : FeatureStore
        The store whose views are written.
    request : Request
        What is written; `ranges` has checked it.
    told : bool
        Whether what Feast prints is shown.
    bars : bool
        Whether its progress bars are shown.
    colour : bool
        Whether its colours are.

    Raises
    ------
    StoreUnavailable
        When it fails; views that it had written by then stay written.
    """
    views = list(request.views) or None
    try:
        with _shown(told=told, bars=bars, colour=colour):
            if request.start is None:
                store.materialize_incremental(request.end, feature_views=views, version=request.version)
            else:
                store.materialize(
                    request.start,
                    request.end,
                    feature_views=views,
                    disable_event_timestamp=request.every_row,
                    version=request.version,
                )
    except Exception as error:
        raise StoreUnavailable(
            "feast materialize failed and nothing was validated", hint=f"{type(error).__name__}: {_told(error)}"
        ) from error


@contextlib.contextmanager
def _shown(*, told: bool, bars: bool, colour: bool) -> Iterator[None]:
    """Send prints to standard error, or nowhere; bars, which go there by themselves, stay or go nowhere."""
    errors: TextIO = sys.stderr if colour else cast("TextIO", _Plain(sys.stderr))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(errors if told else io.StringIO()))
        if not bars:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


class _Plain(io.TextIOBase):
    """Writes text on without its colours, which Feast also prints where there is no terminal."""

    def __init__(self, target: TextIO) -> None:
        self._target = target

    def write(self, text: str) -> int:
        """Write a text."""
        self._target.write(_COLOURS.sub("", text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._target.flush()


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
