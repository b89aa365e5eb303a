"""Annotations, read back as the runner of GitHub Actions reads workflow commands."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from reports import report

from feast_skew.render.github import SHOWN, render
from feast_skew.report import Finding, SkewReport, Verdict

COMMAND = re.compile(r"::(?P<level>[a-z]+) title=(?P<title>[^,:]*)::(?P<data>.*)")


def commands(text: str) -> list[tuple[str, str, str]]:
    """Parse every line; a line that is no command would be lost, and one too many would come from a name."""
    found = []
    for line in text.splitlines():
        match = COMMAND.fullmatch(line)
        assert match is not None, line
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", line), line
        title = match["title"].replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        found.append(
            (match["level"], title, match["data"].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%"))
        )
    return found


def test_one_line_for_each_that_is_not_pass_the_worst_first() -> None:
    found = commands(render(report()))
    assert [(level, title.split()[0]) for level, title, _ in found] == [
        ("notice", "feast-skew"),
        ("error", "fail"),
        ("error", "error"),
        ("error", "inconclusive"),
        ("warning", "warn"),
        ("warning", "FS204"),
        ("notice", "FS206"),
    ]
    assert found[1][1] == "fail plane_delays:avg_dep_delay"
    assert "budget 0.100%; definition_not_landed: all wrong" in found[1][2]
    assert found[0][1].startswith("feast-skew FAIL ")


def test_names_cannot_give_commands() -> None:
    feature = replace(
        report().features[0], view="v\n::error::x", feature="a,b:c%0A\r::set-output name=x::y", owner="%\n::stop::"
    )
    finding = Finding("FS301", "fail", "v,\n:", "100%\n::error::", "")
    found = commands(render(replace(report(), features=(feature,), findings=(finding,))))
    assert len(found) == 3
    assert found[1][1] == "fail v?::error::x:a,b:c%0A?::set-output name=x::y"
    assert found[2][1:] == ("FS301 v,?:", "100% ::error::")


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({"allow_inconclusive": True}, ["error", "error", "warning", "warning"]),
        ({"fail_on": "warn"}, ["error", "error", "error", "error"]),
    ],
)
def test_errors_are_what_ends_the_run(settings: dict[str, object], levels: list[str]) -> None:
    found = commands(render(replace(report(), settings=settings, findings=())))
    assert [level for level, _, _ in found[1:]] == levels


def test_more_than_github_shows_is_told() -> None:
    feature = report().features[0]
    many = tuple(replace(feature, feature=f"f{number}") for number in range(SHOWN + 2))
    found = commands(render(replace(report(), features=many)))
    assert f"12 errors, of which GitHub shows {SHOWN} each" in found[0][2]
    assert "of which" not in commands(render(report()))[0][2]


def test_nothing_to_tell_is_one_notice() -> None:
    fine = tuple(feature for feature in report().features if feature.verdict is Verdict.PASS)
    found = commands(render(replace(report(), features=fine, findings=())))
    assert [level for level, _, _ in found] == ["notice"]


def test_known_failures_are_warnings(held: SkewReport) -> None:
    found = commands(render(held))
    level, _, text = next(entry for entry in found if entry[1].endswith("plane_delays:avg_dep_delay"))
    assert level == "warning"
    assert text.startswith("known since 2014-01-02T00:00:00Z: not worse")
    assert "without it FAIL" in found[0][2]
