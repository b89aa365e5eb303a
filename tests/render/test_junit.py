"""JUnit XML, read back, and held to what the schemas of Jenkins (xunit plugin) and Surefire have in common."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import report

from feast_skew.render.junit import render
from feast_skew.report import FeatureResult, Finding, SkewReport, Verdict

# Element: attributes that must be there, ones that may be, and children in their order.
SCHEMA: dict[str, tuple[set[str], set[str], tuple[str, ...]]] = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"time"}, ("testsuite",)),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time"}, set(), ("properties", "testcase"),
    ),
    "properties": (set(), set(), ("property",)),
    "property": ({"name", "value"}, set(), ()),
    "testcase": ({"name", "classname", "time"}, set(), ("skipped", "error", "failure", "system-out")),
    "failure": ({"type", "message"}, set(), ()),
    "error": ({"type", "message"}, set(), ()),
    "skipped": ({"message"}, set(), ()),
    "system-out": (set(), set(), ()),
}  # fmt: skip


def check(element: ET.Element) -> None:
    must, may, children = SCHEMA[element.tag]
    assert must <= set(element.attrib) <= must | may, element.attrib
    tags = [child.tag for child in element]
    assert tags == sorted(tags, key=children.index), tags
    for name in {"tests", "failures", "errors", "skipped", "time"} & set(element.attrib):
        assert re.fullmatch(r"\d+", element.attrib[name])
    if element.tag in ("testsuite", "testsuites"):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if name in element.attrib:
                assert int(element.attrib[name]) == len(list(element.iter(tag)))
    if element.tag == "testcase":
        assert len(tags) <= 1
    for child in element:
        check(child)


def parsed(of: SkewReport) -> ET.Element:
    root = ET.fromstring(render(of).encode())
    assert root.tag == "testsuites"
    check(root)
    return root


def case(root: ET.Element, suite: str, name: str) -> ET.Element:
    found = root.findall(f"testsuite[@name='{suite}']/testcase[@name='{name}']")
    assert len(found) == 1
    return found[0]


def test_a_suite_per_view_and_a_case_per_feature() -> None:
    root = parsed(report())
    assert root.attrib["tests"] == "14"
    failure = case(root, "plane_delays", "avg_dep_delay").find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith(
        "3,176 of 4,037 differ; budget 0.100%; definition_not_landed: all wrong"
    )
    assert failure.text is not None
    assert "remedy: set `skip_dedup: true`" in failure.text
    assert "owner: mallory" in failure.text
    error = case(root, "small", "rare").find("error")
    assert error is not None
    assert error.attrib["type"] == "inconclusive"
    assert case(root, "plane_live", "flights").findtext("system-out", "").startswith("3 online rows are newer")
    assert not list(case(root, "größe", "測試"))
    assert len(root.findall("testsuite/testcase/skipped")) == 1


def test_findings_are_a_case_of_their_suite() -> None:
    findings = (
        Finding("FS301", "fail", "small", "a rule breaks", "repair"),
        Finding("FS202", "warn", "small", "ties", "created"),
        Finding("FS304", "fail", "", "a limit of the run", "look"),
    )
    root = parsed(replace(report(), project="flights", findings=findings))
    failure = case(root, "small", "findings").find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "FS301: a rule breaks"
    assert failure.text == "FS301 fail: a rule breaks; repair\nFS202 warn: ties; created"
    assert case(root, "flights", "findings").find("failure") is not None
    assert not list(case(root, "plane_delays", "findings"))


@pytest.mark.parametrize(
    ("settings", "feature", "tag"),
    [
        ({"allow_inconclusive": True}, "rare", "skipped"),
        ({"allow_inconclusive": False}, "rare", "error"),
        ({"fail_on": "warn"}, "flights", "failure"),
        ({"fail_on": "fail"}, "flights", "system-out"),
    ],
)
def test_cases_end_as_the_run_does(settings: dict[str, object], feature: str, tag: str) -> None:
    root = parsed(replace(report(), settings=settings))
    found = root.find(f"testsuite/testcase[@name='{feature}']")
    assert found is not None
    assert [child.tag for child in found] == [tag]


def test_known_failures_pass_with_a_text(held: SkewReport) -> None:
    root = parsed(held)
    told = case(root, "plane_delays", "avg_dep_delay")
    assert [child.tag for child in told] == ["system-out"]
    assert told.findtext("system-out", "").startswith("known since 2014-01-02T00:00:00Z: not worse\n3,176 of")
    value = root.find("testsuite/properties/property[@name='baseline']")
    assert value is not None
    assert value.attrib["value"].endswith("without it FAIL")


ANYTHING = st.text(st.characters(), max_size=20)  # surrogates and control characters too


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_whatever_a_name_holds_it_is_xml(view: str, name: str, owner: str, reason: str) -> None:
    feature = FeatureResult(view, name, "Int64", owner, owner, Verdict.FAIL, {}, {}, reasons=(reason,))
    findings = (Finding("FS301", "fail", view, reason, owner),)
    parsed(
        replace(
            report(), project=name, features=(feature,), findings=findings, skipped=({"view": view, "reason": reason},)
        )
    )


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ufffe", "\uffff", "\ud800", "\x85", "]]>", "&<>\"'"])
def test_what_xml_forbids(character: str) -> None:
    feature = FeatureResult("v", f"a{character}b", "Int64", "", "", Verdict.FAIL, {}, {}, reasons=(f"x{character}y",))
    root = parsed(replace(report(), features=(feature,), findings=()))
    name = root[0].findall("testcase")[0].attrib["name"]
    assert name in (f"a{character}b", "a?b", "a b")
