"""Every type of Feast: through Feast's own writing, in the table of docs/equality.md, and what comes of bad values."""

from __future__ import annotations

import itertools
import re
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from servers import executor
from servers.executor import encoded

from feast_skew.core.equality import Tolerance, default_tolerance, equal
from feast_skew.core.types import Kind, declared_type, floats
from feast_skew.errors import SourceUnreadable

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
ZURICH, BERLIN = ZoneInfo("Europe/Zurich"), ZoneInfo("Europe/Berlin")
ONE = "12345678-1234-5678-1234-567812345678"
TWO = "abcdef00-1234-5678-1234-567812345678"
INF = float("inf")
NAN = float("nan")

# By the name in the table: the type by name, and groups of values; all of a group are the same, no two of different groups.
GROUPS: dict[str, list[tuple[str, list[list[Any]]]]] = {
    "Int32": [("Int32", [[0], [1, 1.0], [2**31 - 1]])],
    "Int64": [("Int64", [[-1], [2**53, float(2**53)], [2**53 + 1], [2**63 - 1]])],
    "Float64": [("Float64", [[0.0, -0.0, 1e-13], [0.1, 0.1 + 1e-11], [0.1001], [1e308], [INF], [-INF]])],
    "Float32": [("Float32", [[0.0, -0.0], [0.1, float(np.float32(0.1)), 0.1 + 1e-8], [0.1 + 1e-6], [1e38], [INF, 1e300]])],
    "Decimal": [("Decimal", [["1.10", "1.1", Decimal("1.100")], ["1.1" + "0" * 30 + "1"], ["-0", "0.00", "0E-5"], ["1e3", "1000"]])],
    "Bool": [("Bool", [[True], [False]])],
    "String": [("String", [[""], ["a"], ["A"], [" a"], ["é"], ["e\u0301"]])],
    "Bytes": [("Bytes", [[b"\x00"], [b"a"], [b"a\x00"]])],
    "PdfBytes": [("PdfBytes", [[b"%PDF"], [b"\xff"]])],
    "ImageBytes": [("ImageBytes", [[b"\x89PNG"], [b"\xff"]])],
    "UnixTimestamp": [("UnixTimestamp", [[NOON, NOON + timedelta(milliseconds=999), NOON.astimezone(ZURICH)], [NOON + timedelta(seconds=1)]])],
    "ZonedTimestamp": [
        (
            "ZonedTimestamp",
            [
                [NOON, NOON.replace(tzinfo=None), NOON.astimezone(ZoneInfo("UTC"))],
                [NOON.astimezone(ZURICH), NOON.astimezone(ZURICH) + timedelta(milliseconds=5)],
                [NOON.astimezone(BERLIN)],
                [NOON.astimezone(timezone(timedelta(hours=1)))],
                [NOON.astimezone(ZURICH) + timedelta(seconds=1)],
            ],
        )
    ],
    "Uuid": [("Uuid", [[ONE, uuid.UUID(ONE), f"urn:uuid:{ONE}"], [TWO, TWO.upper(), TWO.replace("-", ""), "{" + TWO + "}"], ["no uuid"], ["No uuid"]])],
    "TimeUuid": [("TimeUuid", [[ONE, uuid.UUID(ONE)], [TWO, TWO.upper()]])],
    "Array": [
        ("Array(Int64)", [[[]], [[1, 2]], [[2, 1]], [[1]]]),
        ("Array(Float64)", [[[]], [[0.1, NAN], [0.1 + 1e-12, NAN]], [[0.1]], [[INF, 0.0], [INF, -0.0]]]),
        ("Array(String)", [[[]], [["", "a"], [None, "a"]], [["a", ""]]]),
        ("Array(Uuid)", [[[]], [[TWO.upper(), None], [TWO, None]], [[None, TWO]]]),
        ("Array(Decimal)", [[[]], [["1.10", None], ["1.1", None]], [["1.1"]]]),
        ("Array(UnixTimestamp)", [[[]], [[NOON]], [[NOON, NOON]]]),
        ("Array(Map)", [[[]], [[{"a": 1}], [{"a": 1.0, "b": None}]], [[{"a": 1}, {"a": 1}]]]),
        ("Array(Json)", [[[]], [['{"a": 1, "b": 2}'], ['{"b":2.0,"a":1}']], [["[]"]], [["{}"]], [['{"a":null}']]]),
        ("Array(Array(Float64))", [[[]], [[[0.1], [2.0]], [[0.1 + 1e-12], [2.0]]], [[[2.0], [0.1]]], [[None, [1.0]], [[], [1.0]]]]),
        ("Array(Set(Int64))", [[[[1, 2]], [[2, 1, 1]]], [[[1]]], [[[1, 2], [3]]], [[[3], [1, 2]]]]),
        ("Array(Struct({x: Float32}))", [[[{"x": 0.1}], [{"x": float(np.float32(0.1))}]], [[{"x": 0.2}]]]),
    ],
    "Set": [
        ("Set(Int64)", [[[]], [[1, 2], [2, 1], [2, 1, 2]], [[1]], [[1, 2, 3]]]),
        ("Set(Int32)", [[[1, 2], [2, 1]], [[1]]]),
        ("Set(Float64)", [[[]], [[0.1, 5.0], [5.0, 0.1 + 1e-12]], [[0.1, 5.1]], [[0.0], [-0.0]], [[INF]]]),
        ("Set(Float32)", [[[0.1, 5.0], [5.0, float(np.float32(0.1))]], [[5.0]]]),
        ("Set(String)", [[[]], [["a", "b"], ["b", "a", "b"]], [["A", "b"]]]),
        ("Set(Bytes)", [[[b"a", b"b"], [b"b", b"a"]], [[b"a"]]]),
        ("Set(Bool)", [[[]], [[True, False], [False, True]], [[True]]]),
        ("Set(UnixTimestamp)", [[[NOON], [NOON, NOON + timedelta(milliseconds=1)]], [[NOON + timedelta(seconds=1)]]]),
        ("Set(Uuid)", [[[ONE, TWO], [TWO.upper(), ONE, TWO]], [[ONE]]]),
        ("Set(TimeUuid)", [[[ONE, TWO], [TWO.upper(), ONE]], [[ONE]]]),
        ("Set(Decimal)", [[["1.10", "2"], ["2.0", "1.1", "1.100"]], [["1.1"]]]),
        ("Set(Array(String))", [[[]], [[["b"], ["a"]], [["a"], ["b"], ["a"]]], [[["a", "b"]]]]),
        ("Set(Set(Int64))", [[[[1, 2], [3]], [[3], [2, 1]]], [[[1, 2, 3]]]]),
    ],
    "Map": [
        (
            "Map",
            [
                [{}, {"a": None}, {"a": NAN}],
                [{"a": {"c": [1.0, 2.5]}, "b": 1}, {"b": 1.0, "a": {"c": [1.0, 2.5 + 1e-11]}}],
                [{"a": {"c": [2.5, 1.0]}, "b": 1}],
                [{"a": {"c": [1.0, 2.5]}, "b": True}],
                [{"a": {"c": [1.0, 2.5]}, "b": "1"}],
                [{"d": Decimal("1.10"), "t": NOON, "u": uuid.UUID(TWO), "x": b"\x01"}, {"d": Decimal("1.1"), "t": NOON, "u": uuid.UUID(TWO), "x": b"\x01"}],
                [{"f": INF}],
                [{"m": [{"a": 1}]}, {"m": [{"a": 1, "b": None}]}],
            ],
        )
    ],
    "Struct": [
        (
            "Struct({x: Int64, f: Float32, u: Uuid, t: Set(Int64)})",
            [
                [{"x": 1, "f": 0.1, "u": TWO, "t": [1, 2]}, {"f": float(np.float32(0.1)), "x": 1, "u": TWO.upper(), "t": [2, 1]}],
                [{"x": 2, "f": 0.1, "u": TWO, "t": [1, 2]}],
                [{"x": 1}, {"x": 1, "f": None}],
                [{"x": 1, "f": 0.0}],
                [{}],
            ],
        )
    ],
    "ScalarMap": [
        (
            "ScalarMap",
            [
                [{}],
                [{1: 2.0, 2: "a"}, {2: "a", 1.0: 2}],
                [{1: 2.0}],
                [{True: 2.0}],
                [{Decimal("1.10"): 1}, {Decimal("1.1"): 1.0 + 1e-12}],
                [{uuid.UUID(TWO): 1, NOON: 2, b"\x01": 3}],
            ],
        )
    ],
    "Json": [
        (
            "Json",
            [
                ['{"a": 1, "b": [1.5]}', '{"b":[1.5000000000001],"a":1.0}', {"a": 1, "b": [1.5]}],
                ['{"a": 2, "b": [1.5]}'],
                ["{}"],
                ['{"a": null}'],
                ["[]"],
                ["null"],
                ["5", " 5.0"],
                ['"5"'],
                ["true"],
            ],
        )
    ],
}  # fmt: skip
CASES = [pytest.param(name, groups, id=name) for rows in GROUPS.values() for name, groups in rows]


def feast_type(name: str) -> Any:
    """Give Feast's type of any name, structs included: it is Python once the field names are quoted."""
    from feast import types

    expression = re.sub(r"(\w+): ", r'"\1": ', name)
    return eval(expression, {"__builtins__": {}}, vars(types))


def written(name: str, values: list[Any]) -> Any:
    """Give the values as Feast writes them, read back as a column."""
    column, wrong = decoded(serialized(name, values), name)
    assert not wrong.any()
    return column


def serialized(name: str, values: list[Any]) -> list[bytes]:
    """Give the bytes of each value as Feast writes it."""
    from feast.type_map import python_values_to_proto_values

    kind = feast_type(name).to_value_type()
    return [python_values_to_proto_values([value], kind)[0].SerializeToString() for value in values]


def decoded(raw: list[bytes], name: str) -> tuple[Any, np.ndarray]:
    """Read values by Feast's class of values and by the one that executors make, between which no bit may differ."""
    from feast.protos.feast.types.Value_pb2 import DESCRIPTOR, Value

    from feast_skew.stores.value_messages import parse_column, value_class

    made = value_class(DESCRIPTOR.serialized_pb)
    assert made is not Value
    ours, theirs = (parse_column(raw, declared_type(name), value) for value in (Value, made))
    assert encoded({"x": ours[0], "wrong": ours[1]}) == encoded({"x": theirs[0], "wrong": theirs[1]})
    return ours


@pytest.mark.parametrize(("name", "groups"), CASES)
def test_the_same_and_not_the_same(name: str, groups: list[list[Any]]) -> None:
    declared = declared_type(name)
    assert str(feast_type(name)) == name
    values = [(number, value) for number, group in enumerate(groups) for value in group]
    pairs = list(itertools.product(values, values))
    offline, online = (written(name, [pair[side][1] for pair in pairs]) for side in (0, 1))
    assert offline.type == online.type == declared.arrow
    found = equal(offline, online, default_tolerance(declared), declared.kind)
    assert offline.null_count == 0
    wrong = [(a[1], b[1]) for (a, b), seen in zip(pairs, found, strict=True) if seen != (a[0] == b[0])]
    assert not wrong


@pytest.mark.parametrize(("name", "groups"), CASES)
def test_null_is_no_value_of_any_type(name: str, groups: list[list[Any]]) -> None:
    declared = declared_type(name)
    column = written(name, [None, *(group[0] for group in groups)])
    assert column.is_null().to_pylist() == [True] + [False] * len(groups)
    nulls = pa.nulls(len(column), declared.arrow)
    assert not equal(column, nulls, Tolerance(1.0, 1.0), declared.kind).any()


def table_types() -> list[str]:
    text = (Path(__file__).resolve().parents[2] / "docs" / "equality.md").read_text()
    table = text.split("## By type")[1].split("\n\n")[1]
    return [name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]


def test_every_type_of_feast_is_in_the_table() -> None:
    """A new type of Feast fails here: give it a row, and values above."""
    from feast.types import ComplexFeastType, PrimitiveFeastType

    feasts = {str(one) for one in PrimitiveFeastType if one is not PrimitiveFeastType.INVALID}
    feasts |= {one.__name__ for one in ComplexFeastType.__subclasses__()}
    named = table_types()
    assert sorted(named) == sorted(feasts) == sorted(GROUPS)


def test_every_array_and_set_of_feast_has_values_or_holds_what_has() -> None:
    """Collections that Feast can write are lists, sets or nested; those that it cannot are named here."""
    from feast.types import Array, PrimitiveFeastType, Set

    refused = set()
    for outer, inner in itertools.product((Array, Set), PrimitiveFeastType):
        if inner is PrimitiveFeastType.INVALID:
            continue
        try:
            name = str(outer(inner))
            outer(inner).to_value_type()
        except (KeyError, ValueError):
            refused.add(f"{outer.__name__}({inner})")
            continue
        kind = declared_type(name).kind
        nested = inner in (PrimitiveFeastType.MAP, PrimitiveFeastType.JSON)
        assert kind is (Kind.NESTED if nested else Kind.LIST if outer is Array else Kind.SET), name
    unwritable = {"PdfBytes", "ImageBytes", "ScalarMap", "ZonedTimestamp"}
    assert refused == {f"Array({one})" for one in unwritable} | {f"Set({one})" for one in unwritable | {"Map", "Json"}}


STRUCT = pa.struct([("x", pa.int64()), ("f", pa.float32()), ("u", pa.string())])
# What a Parquet column holds in rows 1 and 2 (row 3 is null) for types that the contract tests do not have.
COLUMNS: dict[str, tuple[str, pa.Array]] = {
    "pdf": ("PdfBytes", pa.array([b"%PDF", b"", None])),
    "image": ("ImageBytes", pa.array([b"\x89", b"", None])),
    "time_uuid": ("TimeUuid", pa.array([ONE, TWO.upper(), None])),
    "decimal": ("Decimal", pa.array([Decimal("1.10"), Decimal("-2.50"), None])),
    "map_text": ("Map", pa.array(['{"b": 1, "a": {"c": [1.0, 2.5]}}', "{}", None])),
    "map_struct": ("Map", pa.array([{"a": 1.5, "b": None}, {"a": None, "b": 2.0}, None])),
    "json_struct": ("Json", pa.array([{"a": 1.5, "b": None}, {"a": None, "b": 2.0}, None])),
    "jsons": ("Array(Json)", pa.array([['{"a": 1.0}', "[1, 2]"], [], None])),
    "maps": ("Array(Map)", pa.array(['[{"a": 1.5}, {"b": null}]', "[]", None])),
    "uuids": ("Array(Uuid)", pa.array([[ONE, TWO.upper(), None], [], None])),
    "decimals": ("Array(Decimal)", pa.array([["1.10", None], [], None])),
    "structs": ("Array(Struct({x: Int64, f: Float32, u: Uuid}))", pa.array([[{"x": 1, "f": 0.1, "u": TWO.upper()}], [], None], pa.list_(STRUCT))),
    "struct": ("Struct({x: Int64, f: Float32, u: Uuid})", pa.array([{"x": 1, "f": 0.1, "u": TWO.upper()}, {"x": None, "f": None, "u": None}, None], STRUCT)),
    "lists_of_sets": ("Array(Set(Int64))", pa.array([[[3, 1, 1], [2]], [[]], None])),
    "sets_of_lists": ("Set(Array(String))", pa.array([[["b"], ["a"]], [], None])),
    "deep": ("Array(Array(Array(Float64)))", pa.array([[[[1.5], [2.5]]], [], None])),
    "uuid_set": ("Set(Uuid)", pa.array([[TWO, ONE, TWO], [], None])),
    "decimal_set": ("Set(Decimal)", pa.array([["1.10", "1.1"], [], None])),
    "bool_set": ("Set(Bool)", pa.array([[True, False, True], [], None])),
    "bytes_set": ("Set(Bytes)", pa.array([[b"b", b"a"], [], None])),
    "time_set": ("Set(UnixTimestamp)", pa.array([[NOON, NOON], [], None], pa.list_(pa.timestamp("us", "UTC")))),
    "float32_set": ("Set(Float32)", pa.array([[0.2, 0.1], [], None], pa.list_(pa.float32()))),
    "float_set": ("Set(Float64)", pa.array([[0.2, -0.0, 0.0], [NAN], None])),
}  # fmt: skip


def stamps(size: int) -> pa.Array:
    return pa.array([NOON] * size, pa.timestamp("us", "UTC"))


@pytest.fixture(scope="module", params=["redis", "sqlite"])
def world(request: pytest.FixtureRequest, make_repository: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A repository with one feature of every such type, materialized by Feast."""
    from feast import Field

    repo = make_repository(tmp_path_factory.mktemp(request.param), online=request.param)
    table = {"id": [1, 2, 3], "event_timestamp": stamps(3), **{name: column for name, (_, column) in COLUMNS.items()}}
    fields = {name: Field(name=name, dtype=feast_type(dtype)) for name, (dtype, _) in COLUMNS.items()}
    repo.apply(repo.view("types", repo.source("types", table), {"id": "Int64"}, fields))
    repo.materialize()
    return repo


@pytest.mark.parametrize("name", COLUMNS)
def test_what_is_materialized_is_what_the_source_holds(name: str, world: Any) -> None:
    """The declared type also comes back whole from the registry."""
    view = world.view_plan("types")
    feature = next(one for one in view.features if one.name == name)
    assert feature.declared == declared_type(COLUMNS[name][0])
    rows = world.online_reader().read(view, view.features, pa.table({"id": [1, 2, 3]}))
    online = rows.columns[name]
    offline = world.offline_reader().declare(feature, pa.chunked_array([COLUMNS[name][1]]))
    assert not rows.corrupt[name].any()
    assert offline.is_null().to_pylist() == online.is_null().to_pylist() == [False, False, True]
    found = equal(offline, online, feature.tolerance, feature.declared.kind)
    assert found.tolist() == [True, True, False], (offline.to_pylist(), online.to_pylist())
    assert (
        equal(offline, online.take(pa.array([1, 0, 2])), feature.tolerance, feature.declared.kind).tolist()
        == [False] * 3
    )


def test_all_of_them_pass_a_run(world: Any) -> None:
    report = world.validate(views=["types"])
    found = {feature.feature: {k: v for k, v in feature.counts.items() if v} for feature in report.features}
    assert found == {name: {"entities": 3, "match": 2, "null_both": 1} for name in COLUMNS}


def test_noise_passes_and_decimals_have_statistics(repo: Any) -> None:
    """1e-12 in a struct is no mismatch, 0.01 in a decimal is one, and its mean difference is a number."""
    from feast import Field

    size = 60
    struct = pa.struct([("x", pa.int64()), ("d", pa.float64())])

    def table(noise: float, cents: str) -> dict[str, Any]:
        rows = [{"x": i, "d": (i + 0.1) * (1 + noise)} for i in range(size)]
        amounts = [Decimal(i) / 4 + Decimal(cents) for i in range(size)]
        return {
            "id": list(range(size)),
            "event_timestamp": stamps(size),
            "s": pa.array(rows, struct),
            "amount": amounts,
        }

    fields = {"s": Field(name="s", dtype=feast_type("Struct({x: Int64, d: Float64})")), "amount": "Decimal"}
    repo.apply(repo.view("v", repo.source("src", table(0.0, "0.00")), {"id": "Int64"}, fields))
    repo.materialize()
    repo.write("src", table(1e-12, "0.01"))
    features = {feature.feature: feature for feature in repo.validate().features}
    assert features["s"].counts["match"] == size
    assert features["amount"].counts["mismatch"] == size
    assert features["amount"].metrics["mean_difference"].value == pytest.approx(-0.01)
    repo.write("src", table(1e-6, "0.00"))
    features = {feature.feature: feature for feature in repo.validate().features}
    assert features["s"].counts["mismatch"] == size
    assert features["amount"].counts["match"] == size
    assert features["amount"].verdict == "pass"


# The type by name, what a value has in place of it, and whether that is corrupt.
BAD: list[tuple[str, dict[str, Any], bool]] = [
    ("Decimal", {"decimal_val": "NaN"}, False),
    ("Decimal", {"decimal_val": "Infinity"}, True),
    ("Decimal", {"decimal_val": "no number"}, True),
    ("Decimal", {"decimal_val": ""}, True),
    ("Decimal", {"decimal_val": "1e999999999"}, True),
    ("Decimal", {"decimal_val": "9" * 39}, True),
    ("Decimal", {"string_val": "1.5"}, True),
    ("Decimal", {"double_val": 1.5}, True),
    ("Uuid", {"uuid_val": "no uuid"}, False),
    ("Uuid", {"string_val": TWO}, False),
    ("Uuid", {"int64_val": 5}, True),
    ("Json", {"json_val": "{"}, False),
    ("Json", {"json_val": "[" * 200_000}, False),
    ("Json", {"json_val": '"\\ud800"'}, False),
    ("Json", {"string_val": "{}"}, True),
    ("Map", {"json_val": "{}"}, True),
    ("Map", {"int64_val": 5}, True),
    ("Struct({x: Int64})", {"string_val": "{}"}, True),
    ("Array(Map)", {"string_list_val": {"val": ["a"]}}, True),
    ("Array(Array(Int64))", {"int64_list_val": {"val": [1]}}, True),
    ("Set(Int64)", {"int64_list_val": {"val": [1]}}, True),
    ("Set(Int64)", {"string_set_val": {"val": ["a"]}}, True),
    ("Array(Int64)", {"int64_set_val": {"val": [1]}}, True),
    ("Array(Decimal)", {"decimal_list_val": {"val": ["1", "x"]}}, True),
    ("Set(Decimal)", {"decimal_set_val": {"val": ["Infinity"]}}, True),
    ("ScalarMap", {"map_val": {}}, True),
    ("ZonedTimestamp", {"unix_timestamp_val": 5}, True),
    ("ZonedTimestamp", {"zoned_timestamp_val": {"unix_timestamp": 2**62, "zone": "no zone"}}, False),
    ("PdfBytes", {"string_val": "x"}, True),
]


@pytest.mark.parametrize(("name", "value", "corrupt"), BAD)
def test_bad_values_online_have_an_outcome(name: str, value: dict[str, Any], corrupt: bool) -> None:
    """Alone and between sound ones, which stay what they are."""
    from feast.protos.feast.types.Value_pb2 import Value

    declared = declared_type(name)
    column, wrong = decoded([b"", Value(**value).SerializeToString(), b""], name)
    assert wrong.tolist() == [False, corrupt, False]
    assert column.type == declared.arrow
    is_null = corrupt or value == {"decimal_val": "NaN"}
    assert column.is_null().to_pylist() == [True, is_null, True]
    same = equal(column, column, default_tolerance(declared), declared.kind)
    assert same.tolist() == [False, not is_null, False]


def test_feasts_stand_in_for_no_moment_is_null() -> None:
    from feast.protos.feast.types.Value_pb2 import Value, ZonedTimestamp

    missing = Value(zoned_timestamp_val=ZonedTimestamp(unix_timestamp=-(2**63), zone="UTC"))
    column, wrong = decoded([missing.SerializeToString()], "ZonedTimestamp")
    assert column.to_pylist() == [None]
    assert not wrong.any()


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("Decimal", pa.array(["1.5", "secret"])),
        ("Decimal", pa.array(["1.5", "Infinity"])),
        ("Map", pa.array(["secret"])),
        ("Map", pa.array([5])),
        ("Array(Map)", pa.array(['"secret"'])),
        ("Set(Int64)", pa.array(["secret"])),
        ("Set(Int64)", pa.array([["secret"]])),
        ("Int64", pa.array(["it's", "secret"])),
        ("ZonedTimestamp", pa.array([1.5])),
    ],
)
def test_bad_values_offline_are_one_line_without_the_value(
    dtype: str, values: pa.Array, make_repository: Any, tmp_path: Any
) -> None:
    repo = make_repository(tmp_path, online="sqlite")
    source = repo.source("src", {"id": list(range(len(values))), "event_timestamp": stamps(len(values)), "x": values})
    repo.apply(repo.view("v", source, {"id": "Int64"}, {"x": dtype}))
    (feature,) = repo.view_plan("v").features
    with pytest.raises(SourceUnreadable, match=f"offline values of v:x are .*, declared {re.escape(dtype)}") as refused:
        repo.offline_reader().declare(feature, pa.chunked_array([values]))
    assert "\n" not in str(refused.value) + str(refused.value.hint)
    assert "secret" not in str(refused.value) + str(refused.value.hint)


def test_text_offline_that_is_no_json_or_no_uuid_stays_text(make_repository: Any, tmp_path: Any) -> None:
    repo = make_repository(tmp_path, online="sqlite")
    table = {"id": [1], "event_timestamp": stamps(1), "j": ["{"], "u": ["no uuid"]}
    repo.apply(repo.view("v", repo.source("src", table), {"id": "Int64"}, {"j": "Json", "u": "Uuid"}))
    reader = repo.offline_reader()
    found = {one.name: reader.declare(one, pa.chunked_array([table[one.name]])) for one in repo.view_plan("v").features}
    assert {name: column.to_pylist() for name, column in found.items()} == {"j": ["{"], "u": ["no uuid"]}


def test_decimals_online_are_numbers() -> None:
    numbers, valid = floats(written("Decimal", ["1.10", None, "-0.3"]))
    assert (numbers.tolist(), valid.tolist()) == ([1.1, 0.0, -0.3], [True, False, True])


GARBAGE = [b"\xff", b"\x12\x05ab", b"\x12\x02\xff\xfe", b"\x29\x00", b"\x98\x01\x00", b"\x20\x05\x20\x06"]


def test_executors_read_every_value_as_the_driver_does(make_repository: Any, redis_server: Any, tmp_path: Path) -> None:
    """Values, bad values and garbage of every type in a real server; there neither Feast nor pandas can be imported."""
    from feast import Field
    from feast.protos.feast.types.Value_pb2 import Value
    from google.protobuf.timestamp_pb2 import Timestamp

    from feast_skew.stores.redis import layout

    types = [name for rows in GROUPS.values() for name, _ in rows]
    types += sorted({name for name, _, _ in BAD} - set(types))
    names = {f"f{number}": name for number, name in enumerate(types)}
    repo = make_repository(tmp_path)
    fields = {feature: Field(name=feature, dtype=feast_type(name)) for feature, name in names.items()}
    table = {"id": [0], "event_timestamp": stamps(1)}
    repo.apply(repo.view("every", repo.source("every", table), {"id": "Int64"}, fields))
    groups = {name: groups for rows in GROUPS.values() for name, groups in rows}
    cells = {
        feature: [
            *serialized(name, [value for group in groups.get(name, []) for value in group]),
            *(Value(**bad).SerializeToString() for type_name, bad, _ in BAD if type_name == name),
            *GARBAGE,
        ]
        for feature, name in names.items()
    }
    size = max(map(len, cells.values()))
    view = repo.view_plan("every")
    keys = layout.Layout(repo.project).keys(pa.table({"id": range(size)}), view.keys).to_pylist()
    hashed = dict(zip([*names, "moment"], layout.fields("every", list(names)), strict=True))
    client = redis_server.client()
    for row, key in enumerate(keys):
        values = {hashed[feature]: column[row] for feature, column in cells.items() if row < len(column)}
        moment = Timestamp(seconds=1_700_000_000 + row, nanos=row).SerializeToString()
        client.hset(key, mapping={**values, hashed["moment"]: moment})
    client.set(layout.Layout(repo.project).keys(pa.table({"id": [size]}), view.keys)[0].as_py(), "no hash")

    entities = pa.table({"id": range(size + 2)})
    questions = [(view, view.features, entities), *((view, (feature,), entities) for feature in view.features)]
    reader = repo.online_reader()
    ours = [reader.read(*question) for question in questions]
    bare = executor.bare(view)
    sent = [(bare, tuple(one for one in bare.features if one in asked), entities) for _, asked, _ in questions]
    theirs, findings = executor.run((reader.recipe([view]), sent))
    assert findings == reader.findings == []
    for (_, asked, _), our, their in zip(questions, ours, theirs, strict=True):
        assert executor.encoded_rows(our) == their, [one.declared.name for one in asked]
    assert all(ours[0].corrupt[feature][size] for feature in names)
    assert sum(int(mask.sum()) for mask in ours[0].corrupt.values()) > len(BAD) / 2 + len(names)
