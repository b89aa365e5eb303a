"""The page for people on GitHub: what is said, that names stay names, and that it is never too long."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from reports import report

from feast_skew.render.markdown import LONGEST, render
from feast_skew.report import FeatureResult, Finding, SkewReport, Verdict

HEADER = "| verdict | feature | wrong | absent | first cause | owner |"


def rows(text: str) -> list[list[str]]:
    """Give the cells of all tables: no cell may hold a bare pipe, so each row has as many as the header."""
    lines = text.splitlines()
    found = []
    for at, line in enumerate(lines):
        if line == HEADER:
            assert lines[at - 1] == ""
            assert lines[at + 1].count("|") == line.count("|")
            for row in lines[at + 2 :]:
                if not row.startswith("|"):
                    break
                assert row.count("|") == line.count("|"), row
                found.append([html.unescape(re.sub("<.*?>", "", cell)).strip() for cell in row.strip("|").split("|")])
    return found


def test_verdict_table_causes_owners_and_findings() -> None:
    text = render(report())
    assert text.startswith("### ❌ feast-skew: FAIL, skew found\n")
    assert [row[0].split()[1] for row in rows(text)] == ["fail", "error", "inconclusive", "warn"]
    assert rows(text)[0][1:5] == ["plane_delays:avg_dep_delay", "78.670%", "0", "definition_not_landed"]
    for part in (
        "remedy: set",
        "owner: team&#64;example.com",
        "FS204 warn",
        "not compared: <code>odd",
        "departure_delay_model",
    ):
        assert part in text
    assert text.count("<details>") == text.count("</details>") == 4


def hostile(**changes: str) -> FeatureResult:
    return replace(report().features[0], **changes)


@pytest.mark.parametrize(
    "name", ["a|b", "a\n| c |", "</code><script>alert(1)</script>", "`x`", "**bold** __b__ _i_", "[x](javascript:1)", "@someone #12",
             "&#124;", "</details>", "\\| $x$ ~s~ ![i](u)"]
)  # fmt: skip
def test_names_stay_names(name: str) -> None:
    text = render(
        replace(report(), features=(hostile(view="v", feature=name, owner=name, runbook=name),), project=name)
    )
    assert rows(text)[0][1] == f"v:{name}".replace("\n", "?")
    assert "<script" not in text
    assert text.count("<details>") == text.count("</details>") == 1
    for line in text.splitlines():
        told = re.sub(r"</?(code|details|summary)>|&#\d+;", "", line).lstrip("#| -")
        if not line.startswith(("|---", "_Left")):
            assert not re.search(r"[`*\[\]<>~@$]|(?<!\w)_|_(?!\w)", told), line


def test_a_word_with_underscores_stays_readable() -> None:
    assert "<code>plane_delays:avg_dep_delay</code>" in render(report())


@pytest.mark.parametrize("count", [200, 2_000])
@pytest.mark.parametrize("long", ["x", "|" * 5_000, "<&" * 2_000])
def test_never_too_long_and_says_what_is_missing(count: int, long: str) -> None:
    features = tuple(hostile(feature=f"f{number}", owner=long, reasons=(long,) * 20) for number in range(count))
    findings = tuple(Finding("FS301", "fail", long, long, long) for _ in range(count))
    skipped = tuple({"view": long, "reason": long} for _ in range(count))
    text = render(replace(report(), features=features, findings=findings, skipped=skipped, project=long))
    assert len(text) <= LONGEST
    assert text.startswith("### ❌ feast-skew: FAIL")
    assert text.count("<details>") == text.count("</details>")
    last = text.splitlines()[-1]
    assert rows(text)
    assert last.startswith("_Left out to stay below 60,000 characters: ")
    missing = {
        what: int(number.replace(",", ""))
        for number, what in re.findall(r"([\d,]+) ([a-z ]+)(?:, |\.)", last.split(": ", 1)[1])
    }
    assert missing.get("features of the table", 0) == count - len(rows(text))
    assert missing.get("details of features", 0) == count - text.count("<summary>")
    assert missing.get("findings", 0) == count - text.count("FS301")


def test_a_short_page_leaves_nothing_out() -> None:
    assert "Left out" not in render(report())


def test_known_failures_are_folded(held: SkewReport) -> None:
    text = render(held)
    assert "against the baseline of 2014-01-02T00:00:00Z: 1 known and not worse; without it FAIL" in text
    folded = text.split("<details><summary>2 known and not worse</summary>")[1].split("</details>")[0]
    assert [row[1] for row in rows(folded)] == ["plane_delays:avg_dep_delay known", "plane_live:flights known"]
    before = text.split("<details><summary>2 known")[0]
    assert "avg_dep_delay" not in before


def test_many_known_failures_fit(held: SkewReport) -> None:
    known = next(
        feature for feature in held.features if feature.known is not None and feature.feature == "avg_dep_delay"
    )
    many = replace(held, features=tuple(replace(known, feature=f"f{number}") for number in range(3_000)))
    text = render(many)
    assert len(text) <= LONGEST
    assert "3000 known and not worse" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_all_is_well() -> None:
    fine = tuple(feature for feature in report().features if feature.verdict is Verdict.PASS)
    text = render(replace(report(), features=fine, findings=(), skipped=()))
    assert text.startswith("### ✅ feast-skew: PASS")
    assert rows(text) == []
