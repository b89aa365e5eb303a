"""Causes that declared events prove: another window, aggregate, edge or zone of days; and what is said without such events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from feast_skew import compare
from feast_skew.report import Cause, SkewReport

PLANES = 600
SEEDS = (0, 1)
SEVERITIES = (0.05, 1.0)
START = pd.Timestamp("2024-01-01", tz="UTC")
DAYS = 120
FIRST_ROW = 60
NAMES = [f"N{i:04d}" for i in range(PLANES)]
AT = pd.Series(
    START + pd.to_timedelta(FIRST_ROW + np.random.default_rng(7).integers(0, DAYS - FIRST_ROW, PLANES), unit="D"),
    index=pd.Index(NAMES, name="plane"),
)


def flights() -> pd.DataFrame:
    random = np.random.default_rng(1)
    size = PLANES * 150
    often = random.lognormal(0, 1.2, PLANES)
    return pd.DataFrame(
        {
            "tail": random.choice(NAMES, size, p=often / often.sum()),
            "left": START + pd.to_timedelta(random.integers(0, DAYS * 1440, size), unit="min"),
            "delay": np.where(random.random(size) < 0.02, np.nan, np.round(random.gamma(1.5, 20, size) - 15)),
            "dest": random.choice(["BOS", "ORD", "ATL", "LAX", "MIA"], size),
        }
    ).sort_values("left", kind="stable")


FLIGHTS = flights()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    FLIGHTS.to_parquet(tmp_path / "flights.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def feature(
    aggregate: str, days: float, at: pd.Series = AT, *, column: str = "delay", behind: float = 0.0
) -> pd.Series:
    """Compute a feature by going through joined rows, which is slow and plain; `behind` in hours."""
    end = at - pd.Timedelta(hours=behind)
    joined = FLIGHTS.merge(end.rename("end"), left_on="tail", right_index=True)
    inside = (joined.left > joined.end - pd.Timedelta(days=days)) & (joined.left <= joined.end)
    return joined[inside].groupby("tail")[column].agg(aggregate).reindex(at.index)


def definition(**changes: Any) -> dict[str, Any]:
    given = {
        "events": "flights.parquet",
        "keys": {"plane": "tail"},
        "timestamp": "left",
        "value": "delay",
        "aggregate": "mean",
        "window": "30d",
        **changes,
    }
    return {
        "features": {"table:x": {"definition": {name: value for name, value in given.items() if value is not None}}}
    }


def table(values: pd.Series, at: pd.Series = AT) -> pa.Table:
    return pa.table(
        {
            "plane": list(values.index),
            "event_timestamp": pa.array(at.dt.as_unit("us")),
            "x": pa.array(values.to_numpy(), from_pandas=True),
        }
    )


def judged(offline: pd.Series, online: pd.Series, config: dict[str, Any] | None = None) -> SkewReport:
    return compare(table(offline), table(online), ["plane"], definition() if config is None else config)


def first(report: SkewReport, code: str) -> Cause:
    causes = report.features[0].causes
    assert causes, report
    assert causes[0].code == code, causes
    assert (causes[0].kind, causes[0].confidence) == ("what", 0.99)
    assert causes[0].evidence["proven"]
    assert "flights.parquet" in causes[0].detail
    return causes[0]


def codes(report: SkewReport) -> set[str]:
    return {cause.code for cause in report.features[0].causes}


def findings(report: SkewReport) -> dict[str, str]:
    return {finding.code: finding.detail for finding in report.findings if finding.code.startswith("FS4")}


def some(share: float, seed: int) -> np.ndarray:
    chosen = np.zeros(PLANES, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(PLANES)[: round(share * PLANES)]] = True
    return chosen


@pytest.fixture(scope="module")
def mean30() -> pd.Series:
    return feature("mean", 30)


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("days", [1 / 2, 7, 14, 29, 45])
def test_window(mean30: pd.Series, days: float, share: float) -> None:
    other = feature("mean", days)
    for seed in SEEDS:
        hit = some(share, seed)
        cause = first(judged(mean30, mean30.where(~hit, other)), "window")
        assert cause.share == 1.0
        assert cause.evidence["offline_window"] == "30d"
        assert cause.evidence["online_window"] == ("12h" if days == 1 / 2 else f"{days}d")
        assert cause.evidence["entities"] == int((hit & ~((mean30 == other) | (mean30.isna() & other.isna()))).sum())
        assert "offline the mean over 30 days" in cause.detail


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("name", ["sum", "max", "min", "last", "std", "count"])
def test_aggregate(mean30: pd.Series, name: str, share: float) -> None:
    other = feature(name, 30).astype(float)
    cause = first(judged(mean30, mean30.where(~some(share, 0), other)), "aggregate")
    assert (cause.share, cause.evidence["offline_aggregate"]) == (1.0, "mean")
    assert cause.evidence["online_aggregate"] == name


def test_nulls_as_zero_are_another_aggregate(mean30: pd.Series) -> None:
    filled = FLIGHTS.assign(delay=FLIGHTS.delay.fillna(0))
    joined = filled.merge(AT.rename("end"), left_on="tail", right_index=True)
    inside = (joined.left > joined.end - pd.Timedelta(days=30)) & (joined.left <= joined.end)
    online = joined[inside].groupby("tail").delay.mean().reindex(AT.index)
    cause = first(judged(mean30, online), "aggregate")
    assert cause.evidence["online_aggregate"] == "mean (nulls as zero)"


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("hours", [-5.0, 5.5, 1.0])
def test_days_of_another_zone(mean30: pd.Series, hours: float, share: float) -> None:
    other = feature("mean", 30, behind=hours)
    cause = first(judged(mean30, mean30.where(~some(share, 0), other)), "timezone")
    assert (cause.share, cause.evidence["offset_seconds"]) == (1.0, hours * 3600)


def test_a_lag_is_another_window(mean30: pd.Series) -> None:
    cause = first(judged(mean30, feature("mean", 30, behind=48)), "window")
    assert (cause.evidence["lag_seconds"], cause.evidence["online_window"]) == (172800.0, "30d")


def test_whole_numbers_and_texts() -> None:
    count = definition(value=None, aggregate="count")
    cause = first(judged(feature("size", 30), feature("size", 7), count), "window")
    assert (cause.evidence["online_window"], cause.evidence["online_aggregate"]) == ("7d", "count")
    last = definition(value="dest", aggregate="last")
    report = judged(feature("last", 30, column="dest"), feature("last", 30, column="dest", behind=48), last)
    assert first(report, "window").evidence["lag_seconds"] == 172800.0
    count = definition(value="dest", aggregate="count")
    report = judged(feature("count", 30, column="dest"), feature("nunique", 30, column="dest"), count)
    assert first(report, "aggregate").evidence["online_aggregate"] == "distinct"


def test_two_causes_of_one_feature(mean30: pd.Series) -> None:
    hit = some(0.4, 0)
    report = judged(mean30, (mean30 * 60).where(hit, feature("mean", 7)))
    assert {"window", "scale"} <= codes(report)
    shares = {cause.code: cause.share for cause in report.features[0].causes}
    assert shares["window"] == pytest.approx(0.6, abs=0.05)
    assert shares["scale"] == pytest.approx(0.4, abs=0.05)
    assert "unknown" not in shares


@pytest.mark.parametrize("name", ["noise", "other plane", "scale", "null", "nothing", "rounded"])
def test_neighbours_are_not_claimed(mean30: pd.Series, name: str) -> None:
    random = np.random.default_rng(0)
    online = {
        "noise": mean30 + random.normal(0, 1, PLANES),
        "other plane": pd.Series(random.permutation(mean30.to_numpy()), index=mean30.index),
        "scale": mean30 * 60,
        "null": mean30.where(random.random(PLANES) < 0.5),
        "nothing": mean30,
        "rounded": mean30.round(),
    }[name]
    assert not codes(judged(mean30, online)) & {"window", "aggregate", "timezone"}


def unaligned(online: str, days: float, behind: float = 0.0) -> SkewReport:
    """Offline has a row a day, online one per plane at a time of its own."""
    history = [AT - pd.Timedelta(days=i) for i in range(6)]
    offline = pa.concat_tables([table(feature("mean", 30, at), at) for at in history])
    later = AT + pd.to_timedelta(np.random.default_rng(0).integers(1, 86_000, PLANES), unit="s")
    return compare(offline, table(feature(online, days, later, behind=behind), later), ["plane"], definition())


def test_unaligned_rows_are_proven_at_their_own_instants() -> None:
    cause = first(unaligned("mean", 7), "window")
    assert (cause.evidence["offline_window"], cause.evidence["online_window"]) == ("30d", "7d")
    assert cause.share > 0.99
    assert first(unaligned("sum", 30), "aggregate").evidence["online_aggregate"] == "sum"
    assert first(unaligned("max", 7), "aggregate").evidence["online_window"] == "7d"
    assert not codes(unaligned("mean", 30)) & {"window", "aggregate", "timezone"}


def test_the_definition_is_wrong_about_offline(mean30: pd.Series) -> None:
    report = judged(mean30, feature("mean", 7), definition(window="14d"))
    evidence = first(report, "window").evidence
    assert (evidence["offline_window"], evidence["online_window"]) == ("30d", "7d")
    assert "the mean over 14 days, gives" in findings(report)["FS403"]
    assert "the mean over 30 days 100.0%" in findings(report)["FS403"]


def test_offline_is_the_side_that_left_the_definition(mean30: pd.Series) -> None:
    report = judged(feature("mean", 7), mean30)
    cause = first(report, "window")
    assert (cause.evidence["offline_window"], cause.evidence["online_window"]) == ("7d", "30d")
    assert "bring the offline pipeline back to the mean over 30 days" in cause.remedy
    assert "FS403" in findings(report)
    assert (
        "bring the online pipeline to the mean over 30 days"
        in first(judged(mean30, feature("mean", 7)), "window").remedy
    )


def test_events_that_make_neither_side(mean30: pd.Series) -> None:
    noise = np.random.default_rng(0).normal(size=PLANES)
    report = judged(mean30 + noise, mean30 - noise)
    assert "unknown" in codes(report)
    assert "nothing is proven" in findings(report)["FS403"]


def test_repeated_events(mean30: pd.Series, here: Path) -> None:
    again = FLIGHTS.sample(frac=0.3, random_state=0)
    pd.concat([FLIGHTS, again]).to_parquet(here / "flights.parquet")
    report = judged(mean30, feature("mean", 7))
    assert first(report, "window").evidence["online_window"] == "7d"
    assert "events of flights.parquet repeat another one" in findings(report)["FS402"]


def test_missing_events_prove_the_rest(mean30: pd.Series, here: Path) -> None:
    FLIGHTS[~FLIGHTS["tail"].isin(NAMES[:180])].to_parquet(here / "flights.parquet")
    report = judged(mean30, feature("mean", 7))
    cause = report.features[0].causes[0]
    assert (cause.code, cause.confidence, cause.evidence["online_window"]) == ("window", 0.9, "7d")
    assert 0.6 < cause.share < 0.75
    assert "FS403" in findings(report)


def test_events_of_a_local_clock(mean30: pd.Series, here: Path) -> None:
    local = FLIGHTS.left.dt.tz_convert("America/New_York").dt.tz_localize(None)
    FLIGHTS.assign(left=local).to_parquet(here / "flights.parquet")
    report = judged(mean30, feature("mean", 7))
    evidence = first(report, "window").evidence
    assert (evidence["online_window"], "offset_seconds" in evidence) == ("7d", False)
    assert "America/New_York" in findings(report)["FS404"]


def test_events_without_a_zone_are_utc(mean30: pd.Series, here: Path) -> None:
    FLIGHTS.assign(left=FLIGHTS.left.dt.tz_localize(None)).to_parquet(here / "flights.parquet")
    report = judged(mean30, feature("mean", 7))
    first(report, "window")
    assert "taken as UTC" in findings(report)["FS404"]


def test_late_events(mean30: pd.Series, here: Path) -> None:
    written = FLIGHTS.left + pd.to_timedelta(np.where(np.arange(len(FLIGHTS)) < 50, 3, 0), unit="D")
    FLIGHTS.assign(written=written).to_parquet(here / "flights.parquet")
    report = judged(mean30, feature("mean", 7), definition(created="written"))
    first(report, "window")
    assert " events were written more than a day after they happened, up to 3 days" in findings(report)["FS403"]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"events": "nowhere.parquet"}, "FS401", "does not exist"),
        ({"timestamp": "departed"}, "FS401", "has no column 'departed'"),
        ({"value": "lateness"}, "FS401", "has no column 'lateness'"),
        ({"keys": {"plane": "tailnum"}}, "FS401", "has no column 'tailnum'"),
        ({"keys": {"tail": "tail"}}, "FS401", "the view has plane"),
        ({"timestamp": "dest"}, "FS401", "not timestamps"),
        ({"value": "dest"}, "FS404", "the mean of string is no Float64"),
        ({"created": "written"}, "FS401", "has no column 'written'"),
    ],
)
def test_bad_input_is_said_and_the_signature_is_named(
    mean30: pd.Series, change: dict[str, Any], code: str, says: str
) -> None:
    report = judged(mean30, feature("mean", 7), definition(**change))
    assert says in findings(report)[code]
    cause = report.features[0].causes[0]
    assert (cause.code, cause.confidence, cause.evidence["proven"]) == ("window", 0.5, False)
    assert "offline_window" not in cause.evidence


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_damaged_and_empty_events(mean30: pd.Series, here: Path, content: bytes | None) -> None:
    if content is None:
        FLIGHTS.iloc[:0].to_parquet(here / "flights.parquet")
    else:
        (here / "flights.parquet").write_bytes(content)
    report = judged(mean30, feature("mean", 7))
    assert "FS401" in findings(report)
    assert report.features[0].causes[0].confidence == 0.5


def test_the_signature_of_a_shorter_window(mean30: pd.Series) -> None:
    """Without events: said as a possibility, for either side; noise, noise on a part, and lost values are not taken for it."""
    short, random = feature("mean", 7), np.random.default_rng(0)
    cause = judged(mean30, short, {}).features[0].causes[0]
    assert (cause.code, cause.confidence, cause.evidence["shorter"]) == ("window", 0.5, "online")
    assert 2 < cause.evidence["variance_ratio"] < 9
    cause = judged(short, mean30, {}).features[0].causes[0]
    assert (cause.code, cause.evidence["shorter"]) == ("window", "offline")
    noise = pd.Series(random.normal(0, 15, PLANES), index=mean30.index)
    half = pd.Series(random.random(PLANES) < 0.5, index=mean30.index)
    for online in (
        mean30 + noise,
        mean30.where(half, mean30 + noise),
        (mean30 + noise).where(half),
        mean30 * 2,
        short * 3,
    ):
        assert "window" not in codes(judged(mean30, online, {}))


def test_fractions_tell_the_shorter_window_of_a_few_entities(mean30: pd.Series) -> None:
    """A twentieth of the entities, no nulls: whole numbers over fewer events, and nothing that is made otherwise."""
    short, random = feature("mean", 7), np.random.default_rng(1)
    usable = mean30.notna() & short.notna() & (mean30 != short)
    few = usable & (pd.Series(random.random(PLANES), index=mean30.index) < 0.4)
    cause = judged(mean30, mean30.where(~few, short), {}).features[0].causes[0]
    assert (cause.code, cause.confidence, cause.evidence["shorter"]) == ("window", 0.5, "online")
    assert cause.evidence["denominators"]["shorter"] < cause.evidence["denominators"]["longer"]
    cause = judged(mean30.where(~few, short), mean30, {}).features[0].causes[0]
    assert (cause.code, cause.evidence["shorter"]) == ("window", "offline")
    noise = pd.Series(random.normal(0, 15, PLANES), index=mean30.index)
    for online in (
        mean30 + noise,
        (mean30 + noise).round(),
        feature("max", 30),
        feature("last", 30),
        short.sample(frac=1.0, random_state=2).set_axis(short.index),
        short + 20,
        short * 1.5,
    ):
        assert "window" not in codes(judged(mean30, mean30.where(~few, online), {}))


@pytest.mark.parametrize("seed", range(3))
def test_numbers_on_a_grid_are_no_means_over_fewer_events(seed: int) -> None:
    """Rounded noise has smaller denominators, too; but all of them divide one number."""
    random, size = np.random.default_rng(seed), 3000
    sensor, price = np.round(random.normal(20, 5, size), 2), np.round(random.lognormal(3, 0.5, size), 2)
    fahrenheit = np.round(random.normal(70, 9, size))
    rating = np.array([random.integers(1, 6, count).mean() for count in random.integers(1, 30, size)])
    for offline, online in (
        (sensor, np.round(sensor + random.normal(0, 3, size), 1)),
        ((fahrenheit - 32) / 1.8, (np.round(fahrenheit + random.normal(0, 5, size)) - 32) / 1.8),
        (price, np.round(price * np.exp(random.normal(0, 0.3, size)) * 20) / 20),
        (rating, np.round(rating + random.normal(0, 0.5, size), 1)),
        (rating, np.round((rating + random.normal(0, 0.5, size)) * 2) / 2),
    ):
        sides = [pd.DataFrame({"plane": range(size), "x": values}) for values in (offline, online)]
        assert "window" not in codes(compare(*sides, ["plane"]))


def test_clean_data_read_no_events(mean30: pd.Series, here: Path) -> None:
    (here / "flights.parquet").unlink()
    report = judged(mean30, mean30)
    assert report.verdict.value == "pass"
    assert not findings(report)


EDGE = 40 * 86400


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("unit", "base"),
    [("us", 0), ("ns", 2**63 - 10**9 * EDGE), ("ns", -(2**63) + 10**9 * EDGE), ("s", 10**10), ("us", -6 * 10**16)],
)
@pytest.mark.parametrize("fare", ["plain", "infinite", "huge", "missing", "lists"])
def test_odd_instants_and_values_end_nothing(here: Path, unit: str, base: int, fare: str) -> None:
    """Values that no events make are unknown, whatever the events hold and whenever they happened."""
    random, size = np.random.default_rng(0), 2000
    step = {"us": 10**6, "ns": 10**9, "s": 1}[unit]
    stamp = pa.timestamp(unit, "UTC")
    values = {
        "plain": pa.array(random.normal(size=size)),
        "infinite": pa.array(np.full(size, np.inf)),
        "huge": pa.array(random.normal(size=size) * 1e300),
        "missing": pa.nulls(size),
        "lists": pa.array([[1.0]] * size),
    }[fare]
    events = {
        "tail": random.integers(0, 100, size),
        "left": pa.array(base + random.integers(0, 30 * 86400, size) * step).cast(stamp),
        "delay": values,
    }
    pa.parquet.write_table(pa.table(events), here / "flights.parquet")
    at = pa.array(np.full(100, base + 30 * 86400 * step)).cast(stamp)
    sides = [pa.table({"plane": np.arange(100), "event_timestamp": at, "x": random.normal(size=100)}) for _ in range(2)]
    report = compare(*sides, ["plane"], definition())
    assert codes(report) == {"unknown"}
    assert ("FS404" if fare == "lists" else "FS403") in findings(report)
