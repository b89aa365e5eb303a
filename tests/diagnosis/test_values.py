"""The rules on single values, through `compare()`: each named with its exact parameters at every severity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feast_skew import compare
from feast_skew.diagnosis.rules.timezone import _seconds, is_zone_offset, zone_text
from feast_skew.report import Cause, FeatureResult, Verdict

SIZE = 10_000
SEVERITIES = (0.005, 0.05, 1.0)
SECONDS = pa.timestamp("s", tz="UTC")
Random = np.random.Generator
Change = Callable[[np.ndarray], np.ndarray]


def result(offline: Any, online: Any, arrow: pa.DataType | None = None, **settings: Any) -> FeatureResult:
    sides = [
        pa.table({"id": np.arange(len(column)), "x": pa.array(column, arrow, from_pandas=True)})
        for column in (offline, online)
    ]
    return compare(*sides, ["id"], **settings).features[0]


def first(found: FeatureResult, code: str) -> Cause:
    """The first cause, which explains everything."""
    assert found.causes, found.verdict
    cause = found.causes[0]
    assert (cause.code, cause.kind, cause.share) == (code, "what", 1.0), found.causes
    return cause


def only(found: FeatureResult, code: str) -> Cause:
    cause = first(found, code)
    assert len(found.causes) == 1, found.causes
    return cause


def some(random: Random, share: float, size: int = SIZE) -> np.ndarray:
    chosen = np.zeros(size, dtype=bool)
    chosen[random.permutation(size)[: round(share * size)]] = True
    return chosen


def planted(values: np.ndarray, change: Change, share: float, random: Random) -> np.ndarray:
    return np.where(some(random, share, len(values)), change(values), values)


def amounts(random: Random) -> np.ndarray:
    return random.lognormal(3, 1, SIZE)


def signed(random: Random) -> np.ndarray:
    return amounts(random) * random.choice([-1, 1, 1, 1], SIZE)


def shares(random: Random) -> np.ndarray:
    return random.beta(2, 5, SIZE)


def counts(random: Random) -> np.ndarray:
    return random.poisson(12, SIZE).astype(float)


def half(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).astype(float)


def single(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(float)


def brain(values: np.ndarray) -> np.ndarray:
    """Round to the upper 16 bits of single precision, half to even."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits += 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))
    return (bits & np.uint64(0xFFFF0000)).astype(np.uint32).view(np.float32).astype(float)


# The offline values, what was done to them, and the name and parameters that say so.
FUNCTIONS: list[tuple[Callable[[Random], np.ndarray], Change, str, Mapping[str, Any]]] = [
    (amounts, np.log, "log", {}),
    (amounts, np.log1p, "log1p", {}),
    (amounts, np.log10, "log10", {}),
    (amounts, np.log2, "log2", {}),
    (amounts, np.sqrt, "sqrt", {}),
    (amounts, np.square, "square", {}),
    (shares, np.exp, "exp", {}),
    (shares, np.expm1, "expm1", {}),
    (amounts, np.reciprocal, "reciprocal", {}),
    (shares, lambda x: np.log(x / (1 - x)), "logit", {}),
    (signed, lambda x: 1 / (1 + np.exp(-x / 10)), "affine_sigmoid", {}),
    (lambda g: g.normal(0, 2, SIZE), lambda x: 1 / (1 + np.exp(-x)), "sigmoid", {}),
    (lambda g: g.normal(0, 2, SIZE), np.tanh, "tanh", {}),
    (signed, lambda x: np.sign(x) * np.log1p(np.abs(x)), "log1p_signed", {}),
    (signed, np.abs, "abs", {}),
    (signed, lambda x: np.minimum(x, 60.0), "clip", {"high": 60.0}),
    (signed, lambda x: np.maximum(x, 0.0), "clip", {"low": 0.0}),
    (signed, lambda x: np.clip(x, -10.0, 30.0), "clip", {"low": -10.0, "high": 30.0}),
    (counts, lambda x: np.minimum(x, 15.0), "clip", {"high": 15.0}),
    (signed, lambda x: (x - 11.25) / 43.5, "affine", {"factor": 1 / 43.5, "offset": -11.25 / 43.5}),
    (signed, lambda x: 1.8 * x + 32.0, "affine", {"factor": 1.8, "offset": 32.0}),
    (shares, lambda x: 1.0 - x, "affine", {"factor": -1.0, "offset": 1.0}),
    (signed, lambda x: (x - x.mean()) / x.std(), "standardise", {"mean": np.mean, "deviation": np.std}),
    (counts, lambda x: (x - x.mean()) / x.std(), "standardise", {"mean": np.mean, "deviation": np.std}),
    (amounts, lambda x: (x - x.min()) / (x.max() - x.min()), "min_max", {"low": np.min, "high": np.max}),
    (amounts, lambda x: 3.0 * np.log(x) + 2.0, "affine_log", {"factor": 3.0, "offset": 2.0}),
    (amounts, lambda x: 2.0 * x**1.5, "power", {"factor": 2.0, "exponent": 1.5}),
    (amounts, lambda x: 5 * np.rint(x / 5), "round", {"quantum": 5.0, "how": "rounded"}),
    (amounts, lambda x: np.floor(x * 4) / 4, "round", {"quantum": 0.25, "how": "truncated"}),
    (signed, lambda x: 10 * np.floor(x / 10), "round", {"quantum": 10.0, "how": "floored"}),
    (counts, np.sqrt, "sqrt", {}),
    (counts, np.square, "square", {}),
]


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("case", range(len(FUNCTIONS)), ids=[f"{i}-{one[2]}" for i, one in enumerate(FUNCTIONS)])
def test_transform(case: int, share: float) -> None:
    draw, change, name, parameters = FUNCTIONS[case]
    random = np.random.default_rng([case, round(share * 1000)])
    values = draw(random)
    online = planted(values, change, share, random)
    if np.count_nonzero(values != online) < 10:
        return  # so few of half a percent are beyond the limit
    if name == "affine_sigmoid":
        # No function of ours: it is said to rise, of enough rows, and no formula is made up.
        found = result(values, online)
        assert found.causes[0].code == ("transform" if share > 0.005 else found.causes[0].code)
        assert {cause.evidence.get("name") for cause in found.causes} <= {"monotone", None}
        return
    cause = first(result(values, online), "transform")
    assert cause.evidence["name"] == name
    for key, expected in parameters.items():
        wanted = expected(values) if callable(expected) else expected
        assert cause.evidence["parameters"][key] == (
            wanted if isinstance(wanted, str) else pytest.approx(wanted, rel=1e-6)
        )
    if name == "clip":
        assert dict(cause.evidence["parameters"]) == parameters
        assert "default_fill" not in {other.code for other in result(values, online).causes}
    assert cause.evidence["entities"] == np.count_nonzero(~np.isclose(values, online, rtol=1e-9, atol=1e-12))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("change", "name"),
    [(lambda x: (x**0.3 - 1) / 0.3, "monotone"), (lambda x: np.argsort(np.argsort(x)) / SIZE, "quantile")],
)
def test_a_curve_without_a_name_and_ranks(change: Change, name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = amounts(random)
    for share in (0.05, 1.0):
        cause = only(result(values, planted(values, change, share, random)), "transform")
        assert cause.evidence["name"] == name


NARROWER: list[tuple[Change, dict[str, Any]]] = [
    (single, {"type": "float32"}),
    (half, {"type": "float16"}),
    (brain, {"type": "bfloat16"}),
    (np.trunc, {"type": "int", "how": "truncated", "quantum": 1.0}),
    (np.floor, {"type": "int", "how": "floored", "quantum": 1.0}),
    (np.rint, {"type": "int", "how": "rounded", "quantum": 1.0}),
    *[
        (lambda x, d=digits: np.round(x, d), {"type": "decimals", "decimals": digits, "quantum": 10.0**-digits})
        for digits in (1, 2, 3, 5)
    ],
    (lambda x: np.array([round(one, 2) for one in x.tolist()]), {"type": "decimals", "decimals": 2, "how": "rounded"}),
    (lambda x: np.trunc(x * 100) / 100, {"type": "decimals", "decimals": 2, "how": "truncated"}),
]


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("case", range(len(NARROWER)), ids=[f"{i}-{one[1]['type']}" for i, one in enumerate(NARROWER)])
def test_precision(case: int, share: float) -> None:
    change, expected = NARROWER[case]
    random = np.random.default_rng([case, round(share * 1000)])
    values = signed(random)
    cause = first(result(values, planted(values, change, share, random)), "precision")
    assert {key: cause.evidence[key] for key in expected} == pytest.approx(expected)
    assert cause.evidence["quantum"] > 0


def test_precision_of_single_precision_features_and_whole_numbers() -> None:
    random = np.random.default_rng(0)
    values = signed(random).astype(np.float32)
    cause = first(result(values, np.round(values.astype(float), 2).astype(np.float32)), "precision")
    assert (cause.evidence["type"], cause.evidence["decimals"]) == ("decimals", 2)
    assert (
        first(result(values, values.astype(np.float16).astype(np.float32)), "precision").evidence["type"] == "float16"
    )
    ids = random.integers(2**55, 2**60, SIZE)
    assert only(result(ids, ids.astype(float).astype(np.int64)), "precision").evidence["type"] == "float64"
    assert [cause.code for cause in result(ids, ids + random.integers(-20, 21, SIZE)).causes] == ["unknown"]
    large = random.integers(0, 2**36, SIZE)
    assert only(result(large, large.astype(np.int32).astype(np.int64)), "precision").evidence["type"] == "int32"
    assert first(result(large, large.astype(np.float32).astype(np.int64)), "precision").evidence["type"] == "float32"
    prices = [Decimal(int(one)) / Decimal(10**20) for one in random.integers(2**55, 2**62, 1000)]
    arrow = pa.decimal128(38, 20)
    found = result(prices, [Decimal(repr(float(one))) for one in prices], arrow)
    assert only(found, "precision").evidence["type"] == "float64"
    found = result(prices, [round(one, 3) for one in prices], arrow)
    assert only(found, "precision").evidence["decimals"] == 3


def test_a_narrower_type_is_told_of_values_that_match_within_tolerance() -> None:
    random = np.random.default_rng(0)
    values = signed(random)
    wide = {"settings": {"features": {"table:x": {"tolerance": {"rtol": 1e-6}}}}}
    narrow = single(values)
    found = result(values, narrow, config=wide["settings"])
    if found.verdict is Verdict.FAIL:
        pytest.fail(f"the tolerance does not reach: {found.metrics['mismatch_rate']}")
    cause = only(found, "precision")
    assert (found.verdict, cause.evidence["type"]) == (Verdict.PASS, "float32")
    assert cause.evidence["within_tolerance"] is True
    # Another cause for some values stays the first, and explains all wrong ones.
    online = np.where(some(random, 0.02), -1.0, narrow)
    found = result(values, online, config=wide["settings"])
    assert [(one.code, one.share) for one in found.causes] == [("default_fill", 1.0), ("precision", 0.0)]
    # The last bits of another order of adding up are no type.
    assert not result(values, values * (1 + 2.0**-52 * random.integers(-2, 3, SIZE))).causes


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("draw", [signed, amounts, counts])
def test_sign(draw: Callable[[Random], np.ndarray], share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = draw(random)
    online = planted(values, np.negative, share, random)
    cause = only(result(values, online), "sign")
    assert cause.evidence == {"entities": np.count_nonzero(online != values), "share": 1.0}


def test_small_numbers_around_zero_have_no_sign_turned() -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        off, on = random.integers(-3, 4, (2, 2000))
        assert "sign" not in {cause.code for cause in result(off, on).causes}


@pytest.mark.parametrize(
    ("values", "one"),
    [
        (signed(np.random.default_rng(0)), 0.0),
        (np.random.default_rng(1).integers(0, 2, SIZE).astype(bool), False),
        (np.random.default_rng(2).choice(["a", "b", "c"], SIZE).astype(object), "a"),
        ([[float(i), 1.0] for i in range(1000)], [0.0, 0.0]),
    ],
    ids=["numbers", "flags", "words", "lists"],
)
def test_constant(values: Any, one: Any) -> None:
    """Right ones by chance included; a part of the entities is a default instead."""
    online = [one] * len(values)
    cause = only(result(values, online), "constant")
    assert cause.evidence["value"] == one
    mixed = [one if i % 3 == 0 else value for i, value in enumerate(values)]
    assert "constant" not in {cause.code for cause in result(values, mixed).causes}


def test_a_constant_needs_offline_values_that_vary() -> None:
    assert [cause.code for cause in result(np.full(500, 3.0), np.full(500, 6.0)).causes] == ["unknown"]


def times(random: Random) -> np.ndarray:
    return 1_700_000_000 + random.integers(0, 86400 * 300, SIZE)


def instants(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds).cast(SECONDS)


@pytest.mark.parametrize("share", SEVERITIES)
@pytest.mark.parametrize("seconds", [3600, -18000, 19800, 20700, -900])
def test_timezone(seconds: int, share: float) -> None:
    random = np.random.default_rng(abs(seconds))
    off = times(random)
    on = planted(off, lambda x: x + seconds, share, random)
    cause = only(result(instants(off), instants(on)), "timezone")
    assert (cause.evidence["offset_seconds"], cause.evidence["offsets"]) == (seconds, [seconds])
    # Whole numbers are no timestamps, whatever they count.
    assert only(result(off, on), "offset").evidence["offset"] == seconds


@pytest.mark.parametrize("share", SEVERITIES)
def test_summer_time_makes_two_offsets_of_one_zone(share: float) -> None:
    random = np.random.default_rng(0)
    off = times(random)
    summer = off > np.quantile(off, 0.3)
    on = planted(off, lambda x: np.where(summer, x - 14400, x - 18000), share, random)
    cause = only(result(instants(off), instants(on)), "timezone")
    assert (cause.evidence["offset_seconds"], cause.evidence["offsets"]) == (-14400, [-14400, -18000])
    assert "UTC-04:00" in cause.detail
    assert "UTC-05:00" in cause.detail


def test_what_is_no_time_zone() -> None:
    random = np.random.default_rng(0)
    off = times(random)
    for seconds in (3601, 86400, -7 * 86400, 30 * 3600):
        assert only(result(instants(off), instants(off + seconds)), "offset").evidence["offset"] == seconds
    quarters = off + 900 * random.integers(-8, 9, SIZE)
    days = 86400 * random.integers(19000, 19300, (2, SIZE))
    for pair in ((off, quarters), tuple(days), (off, times(random))):
        assert [cause.code for cause in result(*map(instants, pair)).causes] == ["unknown"]


def test_moments_that_are_held_with_their_zone() -> None:
    texts = pa.array(["2024-01-01T12:00:00Z[Europe/Zurich]", None, "noon", "1969-12-31T23:00:00Z[UTC]"])
    np.testing.assert_array_equal(_seconds(texts), [1704110400.0, np.nan, np.nan, -3600.0])


def test_offsets_of_zones_as_text() -> None:
    assert [zone_text(s) for s in (0, 3600, -18000, 20700, -900)] == [
        "UTC",
        "UTC+01:00",
        "UTC-05:00",
        "UTC+05:45",
        "UTC-00:15",
    ]
    assert [is_zone_offset(s) for s in (0, 900, 86400, 93600, 94500, 3600.5)] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]


MIXED: Mapping[str, Change] = {
    "scale": lambda x: x * 60,
    "offset": lambda x: x + 3.5,
    "transform": lambda x: 1.8 * x + 32.0,
    "precision": single,
    "sign": np.negative,
    "default_fill": lambda x: np.full(len(x), -1.0),
    "unknown": lambda x: np.random.default_rng(9).normal(0.0, 50.0, len(x)),
}


@pytest.mark.parametrize("other", MIXED)
@pytest.mark.parametrize("code", ["sign", "transform", "precision"])
def test_two_causes_share_a_feature(code: str, other: str) -> None:
    """Each for a twentieth of the entities: both are named with their shares, and nothing else."""
    if code == other:
        return
    random = np.random.default_rng(3)
    values, part = signed(random), random.random(SIZE)
    online = np.select([part < 0.05, part < 0.1], [MIXED[code](values), MIXED[other](values)], values)
    found = {cause.code: cause.share for cause in result(values, online).causes}
    assert set(found) == {code, other}
    assert found[code] == pytest.approx(np.mean(part < 0.05) / np.mean(part < 0.1), abs=0.02)


@pytest.mark.parametrize("code", ["sign", "transform", "precision", "constant"])
def test_few_rows_and_few_values_prove_nothing(code: str) -> None:
    change = {"sign": np.negative, "transform": np.sqrt, "precision": np.rint, "constant": lambda x: x * 0.0}[code]
    values = signed(np.random.default_rng(0)) if code == "sign" else amounts(np.random.default_rng(0))
    online = values.copy()
    online[:4] = change(values[:4])
    assert code not in {cause.code for cause in result(values, online).causes}
    same = np.full(500, 7.3)
    assert code not in {cause.code for cause in result(same, change(same)).causes}


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_odd_values_are_borne() -> None:
    """Infinities, nulls, the ends of floating point, one row, none: nothing is claimed, and nothing breaks."""
    ends = np.array([np.inf, -np.inf, 1.7e308, -1.7e308, 5e-324, 0.0, -0.0, 1.0])
    random = np.random.default_rng(0)
    for size in (0, 1, 7, 400):
        for _ in range(3):
            off, on = random.choice(ends, (2, size)), random.choice(ends, (2, size))
            for pair in zip((*off, off[0]), (*on, random.permutation(off[0])), strict=True):
                columns = [pa.array(one, mask=random.random(size) < 0.1) for one in pair]
                found = result(*columns)
                assert {cause.code for cause in found.causes} <= {"unknown", "null_fill", "default_fill"}, found.causes
