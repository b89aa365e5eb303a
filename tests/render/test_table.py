"""The table of CSV and Parquet: its columns, its types, and what stands where there is no value."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import report

from feast_skew.judging.feature import EMPTY_COUNTS
from feast_skew.render.base import BINARY, load_renderers
from feast_skew.render.csv import harmless
from feast_skew.render.csv import render as render_csv
from feast_skew.render.parquet import render as render_parquet
from feast_skew.render.table import COUNTS, DESCRIPTIVE, JUDGED, columns
from feast_skew.report import Known, Metric, SkewReport, Verdict
from feast_skew.statistics.metrics.base import metrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text()


def from_csv(of: SkewReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(of), newline=""), strict=True))


def from_parquet(of: SkewReport) -> pa.Table:
    return pq.read_table(io.BytesIO(render_parquet(of)))


def test_all_counts_and_metrics_have_columns() -> None:
    """A new metric is added at the end of the table, where no reader by position stumbles over it."""
    assert tuple(EMPTY_COUNTS) == COUNTS
    assert set(metrics()) <= {*JUDGED, *DESCRIPTIVE}
    names = [column.name for column in columns()]
    assert len(names) == len(set(names)) == 106


def test_columns_stand_in_the_documents_in_their_order() -> None:
    block = re.findall(r"<!-- columns -->\n```text\n(.*?)```", PAGE, re.DOTALL)[0]
    assert re.split(r",?\s+", block.strip()) == [column.name for column in columns()]


def test_a_row_per_feature_with_its_numbers() -> None:
    rows = from_csv(report())
    assert [row["verdict"] for row in rows] == ["fail", "error", "inconclusive", "warn", "pass", "pass"]
    first = rows[0]
    expected = {
        "run_id": "20130102T000000-abcd", "created_at": "2014-01-02T00:00:00Z", "view": "plane_delays",
        "feature": "avg_dep_delay", "entities": "4037", "mismatch": "3176", "stale": "12", "mismatch_rate": "0.7867",
        "mismatch_rate_limit": "0.001", "mismatch_rate_verdict": "fail", "psi": "0.138", "psi_limit": "",
        "psi_limit_auto": "false", "what_cause": "window", "what_cause_share": "0.95", "how_cause": "definition_not_landed",
        "how_cause_share": "1.0", "reasons": "3,176 of 4,037 differ; budget 0.100%", "known": "",
        "services": "departure_delay_model",
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    # Not a number and infinite: nothing, as null in JSON. Never measured: nothing either.
    assert (first["mean_difference"], first["variance_ratio"], rows[1]["mismatch_rate"]) == ("", "", "")


def test_parquet_is_typed() -> None:
    table = from_parquet(report())
    types = {
        "text": pa.string(), "moment": pa.timestamp("us", tz="UTC"), "count": pa.int64(), "number": pa.float64(),
        "flag": pa.bool_(),
    }  # fmt: skip
    assert table.schema == pa.schema([(column.name, types[column.kind]) for column in columns()])
    first = table.to_pylist()[0]
    assert first["created_at"] == datetime(2014, 1, 2, tzinfo=timezone.utc)
    assert (first["mismatch"], first["mismatch_rate"], first["psi_limit_auto"]) == (3_176, 0.7867, False)
    assert first["mean_difference"] is first["variance_ratio"] is first["known"] is None
    assert "\x1b" in first["owner"]


def test_both_say_the_same() -> None:
    for row, typed in zip(from_csv(report()), from_parquet(report()).to_pylist(), strict=True):
        for column in columns():
            if column.kind in ("count", "number"):
                assert (float(row[column.name]) if row[column.name] else None) == typed[column.name]


def changed(**changes: Any) -> SkewReport:
    return replace(report(), features=(replace(report().features[0], **changes),))


def test_limits_by_chance_and_baselines() -> None:
    of = changed(
        metrics={"psi": Metric(0.2, 0.1, 0.3, "auto", Verdict.FAIL)}, known=Known("worse", "fail", "fail", None, "")
    )
    (row,) = from_csv(of)
    assert (row["psi_limit"], row["psi_limit_auto"], row["psi_verdict"], row["known"]) == ("", "true", "fail", "worse")
    assert from_parquet(of).to_pylist()[0]["psi_limit_auto"] is True


def test_no_features_are_a_header() -> None:
    nothing = replace(report(), features=())
    assert from_csv(nothing) == []
    assert render_csv(nothing).count("\r\n") == 1
    assert from_parquet(nothing).num_rows == 0
    assert from_parquet(nothing).schema == from_parquet(report()).schema


@pytest.mark.parametrize("number", [-0.0, -1e-300, 1 / 3, 1e22, -5.0])
def test_numbers_are_not_texts(number: float) -> None:
    (row,) = from_csv(changed(metrics={"mean_difference": Metric(number)}))
    assert repr(float(row["mean_difference"])) == repr(number)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"), ("=1", "'=1"), ("  +1", "'+1"), ('"-1', "'\"-1"), ("'@x", "''@x"), ("\t\r\n=1", "'=1"),
        ("a; =1, -2", "a;' =1,' -2"), ("a=1 - 2@b", "a=1 - 2@b"), ("a\nb\x07", "a b?"), ("\uff1d1", "'\uff1d1"), ("", ""),
        ("x" * 40_000, "x" * 31_997 + "..."),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_compute(text: str, cell: str) -> None:
    assert harmless(text) == cell


@given(st.text(st.characters(), max_size=20))
def test_whatever_a_name_holds_it_is_one_row(text: str) -> None:
    of = changed(view=text, owner=text, reasons=(text, text))
    (row,) = from_csv(of)
    assert row["view"] == row["owner"] == harmless(text)
    render_csv(of).encode()
    assert from_parquet(of).to_pylist()[0]["view"] == text.encode(errors="replace").decode()


def test_same_report_same_bytes() -> None:
    assert render_csv(report()) == render_csv(report())
    assert render_parquet(report()) == render_parquet(report())


def test_only_parquet_is_no_text() -> None:
    given = {name: render(report()) for name, render in load_renderers().items()}
    assert {name for name, content in given.items() if isinstance(content, bytes)} == BINARY == {"parquet"}
