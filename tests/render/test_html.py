"""The HTML report as a text: what stands in it, what cannot get into it, and how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import PAYLOADS, RUNBOOKS, hostile
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import report
from synthetic import ROWS, synthetic

from feast_skew import compare
from feast_skew.render import html_report
from feast_skew.render.base import load_renderers
from feast_skew.render.html import render
from feast_skew.render.html_report import text
from feast_skew.render.html_report.charts import POINTS
from feast_skew.render.html_report.glossary import definitions
from feast_skew.report import FeatureResult, Metric, SkewReport, Verdict
from feast_skew.statistics.metrics.base import metrics

MEGABYTE = 1_000_000
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
VENDOR = Path(html_report.__file__).parent / "vendor"


class Tags(HTMLParser):
    """Collects the elements of a page with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._within = ""

    def handle_data(self, data: str) -> None:
        self.raw.get(self._within, self.texts).append(data)


@cache
def page(count: int) -> str:
    return render(synthetic(count))


def data(of: SkewReport) -> dict[str, Any]:
    """Give the data of the charts as a browser reads it."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', render(of), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize(("count", "most"), [(5, 3 * MEGABYTE), (50, 3 * MEGABYTE), (1_000, 15 * MEGABYTE)])
def test_sizes(count: int, most: int) -> None:
    assert len(page(count).encode()) < most


def test_the_policy_allows_what_is_in_the_page_and_nothing_else() -> None:
    found = Tags(page(5))
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind, contents in (("script-src", found.raw["script"][1:]), ("style-src", found.raw["style"])):
        hashes = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in contents}
        assert set(rules[kind].split()) == {f"'sha256-{one}'" for one in hashes}


def test_nothing_is_named_that_a_browser_would_fetch() -> None:
    found = Tags(page(5))
    assert not [a for _, a in found.tags if {"src", "srcset", "action", "poster", "background", "ping"} & set(a)]
    assert not [a for _, a in found.tags if "style" in a or any(name.startswith("on") for name in a)]
    links = [(tag, a["href"] or "") for tag, a in found.tags if "href" in a]
    assert {href for tag, href in links if tag != "a"} == {"data:,"}
    assert all(href.startswith(("#", "https://wiki.example.com/")) for tag, href in links if tag == "a")


def test_texts_of_a_report_are_in_the_page() -> None:
    texts = " ".join(" ".join(Tags(render(report())).texts).split())
    for said in (
        "Skew found : of 6 features, 1 fail, 1 error, 1 inconclusive, 1 warn, 2 pass.",
        "3,176 of 4,037 differ; budget 0.100%",
        "definition_not_landed",
        "set `skip_dedup: true` in online_store",
        "data/30d.parquet",
        "departure_delay_model",
        "a label view\\x07",
        "größe",
        "測試",
        "\\u202egnp.exe",
        "line one line two, longer than the column",
        "3 online rows are newer than the latest offline row",
    ):
        assert said in texts, said
    assert "\x1b" not in texts
    assert "\u202e" not in texts


def test_the_worst_features_come_first() -> None:
    shuffled = replace(report(), features=tuple(reversed(report().features)))
    verdicts = [a["data-verdict"] for tag, a in Tags(render(shuffled)).tags if tag == "details"]
    assert verdicts == ["fail", "error", "inconclusive", "warn", "pass", "pass"]


def structure(of: SkewReport) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(a))) for tag, a in Tags(render(of)).tags]


def test_payloads_add_no_element_and_no_attribute() -> None:
    harmless = tuple(f"harmless{i}" for i in range(len(PAYLOADS)))
    assert structure(hostile(PAYLOADS, ("x",))) == structure(hostile(harmless, ("x",)))


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=30))
def test_whatever_a_name_holds_the_page_stays_what_it_is(name: str) -> None:
    made = FeatureResult(name, name, name, name or "owner", "", Verdict.FAIL, {}, {}, reasons=(name,), services=(name,))
    plain = FeatureResult("v", "f", "Int64", "owner", "", Verdict.FAIL, {}, {}, reasons=("r",), services=("s",))
    pages = [replace(report(), project=name, features=(one,)) for one in (made, plain)]
    assert structure(pages[0]) == structure(pages[1])
    render(pages[0]).encode("utf-8")


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_no_runbook_leads_to_a_script(runbook: str) -> None:
    links = [a["href"] or "" for tag, a in Tags(render(hostile(("x",), (runbook,)))).tags if tag == "a"]
    assert all(link.startswith(("#", "https://")) for link in links)


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://wiki.example.com/a?b=c#d", True),
        ("http://10.0.0.1:8080/x", True),
        ("README.md", False),
        ("", False),
        ("javascript:alert(1)", False),
        (" https://example.com", False),
        ("https://exa\u202emple.com", False),
        ("http://[::1", False),
        ("https:///path", False),
    ],
)
def test_only_web_addresses_are_links(address: str, link: bool) -> None:
    assert text.web_address(address) == (address if link else None)


@pytest.mark.parametrize(
    ("write", "value", "said"),
    [
        (text.share, 0.0, "0 %"), (text.share, 1.0, "100 %"), (text.share, 0.78671, "78.7 %"), (text.share, 0.0123, "1.23 %"),
        (text.share, 0.00012, "0.0120 %"), (text.share, -0.5, f"{MINUS}50.0 %"), (text.share, None, DASH),
        (text.number, 1234567, "1,234,567"), (text.number, 0.000012345678, f"1.2346e{MINUS}05"), (text.number, float("nan"), DASH),
        (text.number, float("-inf"), f"{MINUS}∞"), (text.number, 3.0, "3"), (text.number, 1e300, "1e+300"), (text.number, 6319.24, "6,319.2"),
        (text.duration, 59.0, "59 s"), (text.duration, 90.0, "1.5 min"), (text.duration, 7200.0, "2 h"), (text.duration, 172800.0, "2 d"),
        (text.duration, -7200.0, f"{MINUS}2 h"), (text.moment, 0.0, "1970-01-01 00:00:00"), (text.moment, 1e30, "1e+30"),
        (text.visible, "a\x1b[31m\n b\u202e", "a\\x1b[31m b\\u202e"), (text.visible, "\ud800", "\\ud800"),
        (text.value, None, "null"), (text.value, "", "(empty)"), (text.value, True, "True"),
    ],
)  # fmt: skip
def test_numbers_and_texts(write: Any, value: Any, said: str) -> None:
    assert write(value).replace("\N{NO-BREAK SPACE}", " ") == said


def test_every_number_is_defined() -> None:
    """Those of the registry, and those that judging adds, as its source names them."""
    judging = Path(html_report.__file__).parents[2] / "judging"
    named = set(
        re.findall(r'"(\w+_(?:rate|similarity|difference))"', "".join(p.read_text() for p in judging.glob("*.py")))
    )
    assert {"mismatch_rate", "presence_rate", "late_rate", "unaligned_difference", "cosine_similarity"} <= named
    assert named | set(metrics()) <= set(definitions())


def test_vendored_files_are_those_that_were_published() -> None:
    listed = json.loads((VENDOR / "modules.json").read_text())
    assert {one["file"] for one in listed} == {path.name for path in VENDOR.glob("*.js")}
    for one in listed:
        content = (VENDOR / one["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert f"v{one['version']} ".encode() in content[:100]
    assert (VENDOR / "LICENSE").read_text() in page(5)


def feature(of: SkewReport, name: str) -> tuple[FeatureResult, dict[str, Any]]:
    place = next(i for i, one in enumerate(of.features) if one.feature == name)
    return of.features[place], data(of)["features"][place]


def test_bins_are_those_of_the_psi() -> None:
    found, drawn = feature(synthetic(12), "tier")
    labels, offline, online = drawn["bins"]
    extra = found.metrics["psi"].extra
    assert labels == extra["labels"]
    assert offline == pytest.approx(extra["offline"], rel=1e-2)
    assert online == pytest.approx(extra["online"], rel=1e-2)
    assert sum(online) == pytest.approx(1.0, abs=0.01)


def test_quantiles_and_pairs_are_those_of_the_sample() -> None:
    found, drawn = feature(synthetic(12), "balance")
    assert found.profile is not None
    sample: Any = found.profile.states["number_sample"]
    percents, offline, online = drawn["quantiles"]
    assert offline == pytest.approx(np.percentile(sample.offline, percents), rel=1e-3)
    assert online == pytest.approx(np.percentile(sample.online, percents), rel=1e-3)
    xs, ys, random, equal = drawn["pairs"]
    assert len(xs) == len(ys) <= POINTS
    assert xs[:random] == pytest.approx(sample.offline[:random], rel=5e-3)
    wrong = int((sample.difference != 0).sum())
    assert equal == int((sample.difference[:random] == 0).sum())
    # 9 of 2,995 differ: those that the random ones lack are added.
    assert 0 < len(xs) - random <= wrong
    assert sum(x != y for x, y in zip(xs, ys, strict=True)) == wrong


def test_what_all_values_have_in_common_takes_no_digits() -> None:
    """Moments of one month, or a million and a bit, stay apart in a chart."""
    found, drawn = feature(synthetic(12), "last_login")
    assert found.profile is not None
    sample: Any = found.profile.states["number_sample"]
    xs, _, random, _ = drawn["pairs"]
    assert len(set(xs)) > 0.8 * len(xs)
    spread = float(np.ptp(sample.offline))
    assert xs[:random] == pytest.approx(sample.offline[:random], abs=spread / 100)
    percents, offline, online = drawn["quantiles"]
    # An hour apart, of 115 days.
    assert np.subtract(online, offline) == pytest.approx(np.full(len(percents), 3_600.0), abs=20.0)


def test_the_limits_are_drawn_as_they_are_meant() -> None:
    found, drawn = feature(synthetic(12), "orders_7d_mean")
    rows = {row[0]: row[1:] for row in drawn["limits"]}
    mean, spread = found.metrics["mean_difference"], found.sides["offline"]["sd"]
    assert mean.value is not None
    assert rows["mean_difference"][1] == pytest.approx(abs(mean.value) / (0.2 * spread), rel=1e-3)
    rate = found.metrics["mismatch_rate"]
    assert rate.value is not None
    assert rows["mismatch_rate"][1] == pytest.approx(rate.value / 0.001, rel=1e-3)
    assert all(low <= value <= high for low, value, high, _ in rows.values())


def test_a_bound_on_either_side_of_no_difference_begins_at_none() -> None:
    base = synthetic(12)
    rates = {"variance_ratio": Metric(1.1, 0.5, 1.2, 2.0), "null_rate_difference": Metric(0.01, -0.04, 0.02, 0.02)}
    rows = data(replace(base, features=(replace(base.features[0], metrics=rates),)))["features"][0]["limits"]
    assert rows[0][1:4] == [0, pytest.approx(np.log(1.1) / np.log(2.0), rel=1e-3), 1]
    assert rows[1][1:4] == [0, 0.5, 2]


def test_the_trend_ends_with_this_run() -> None:
    of = synthetic(12)
    found, drawn = feature(of, "tier")
    rows, limit = drawn["trend"]
    runs = data(of)["runs"]
    assert [runs[row[0]] for row in rows] == [*(past.created_at for past in found.past), of.created_at]
    assert rows[-1][2] == pytest.approx(found.metrics["mismatch_rate"].value, rel=1e-2)
    assert limit == 0.001


def test_a_report_that_was_read_back_has_its_texts_and_the_charts_of_its_numbers() -> None:
    base = synthetic(12)
    bare = replace(base, features=tuple(replace(one, profile=None, past=(), lag={}) for one in base.features))
    _, drawn = feature(bare, "balance")
    assert set(drawn) == {"bins", "limits", "quantiles"}
    assert f"{ROWS:,} of {40 * ROWS:,} entities" in render(bare)


def test_no_feature_at_all() -> None:
    empty = replace(report(), features=(), findings=(), skipped=())
    assert "no feature was compared" in render(empty)


@pytest.mark.parametrize("online", [[1.0, math.inf], [1.0, -math.inf], [math.nan, math.inf], [math.inf, math.inf]])
def test_infinite_numbers(online: list[float]) -> None:
    """On both sides, on one, or nothing else: every form says so."""
    ids = range(100)
    found = compare({"id": ids, "x": [1.0, math.inf] * 50}, {"id": ids, "x": online * 50}, keys=["id"])
    assert all(form(found) for form in load_renderers().values())
    assert "∞" in load_renderers()["html"](found)


def test_tables_without_timestamps_show_none() -> None:
    found = compare({"id": [1, 2], "x": [1.0, 2.0]}, {"id": [1, 2], "x": [1.0, 3.0]}, keys=["id"])
    text = render(found)
    assert "1970" not in text
    assert "online row of" not in text
    assert "online row of" in render(report())
