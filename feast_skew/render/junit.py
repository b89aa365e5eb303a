"""The report as JUnit XML, which Jenkins, GitLab and most other pipelines show: a suite per view, a case per feature."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from feast_skew.render.base import renderer
from feast_skew.render.wording import (
    against_baseline,
    clean,
    finding_line,
    leading,
    one_line,
    stops,
    what_is_wrong,
    without_commands,
)
from feast_skew.report import FeatureResult, Finding, SkewReport, Verdict


@renderer("junit")
def render(report: SkewReport) -> str:
    """Give the report as JUnit XML: `fail` is a failure, `error` and `inconclusive` are errors, `warn` passes with a text.

    Where the run ends with exit code 0 anyway, so does a case: what is inconclusive is then skipped. With `fail_on: warn` a
    warning is a failure.
    Each suite ends with the case `findings`, which fails when a finding of its view is severe enough to fail the run. Views
    that were not compared are skipped cases. What XML cannot hold is written as `?`.
    """
    root = ET.Element("testsuites", name=one_line(report.project))
    views = dict.fromkeys(feature.view for feature in report.features)
    views.update(dict.fromkeys(finding.view for finding in report.findings))
    suites = [
        _suite(
            report,
            view,
            [feature for feature in report.features if feature.view == view],
            [finding for finding in report.findings if finding.view == view],
        )
        for view in views
    ]
    suites.extend(_skipped(report, entry["view"], entry["reason"]) for entry in report.skipped)
    for suite in suites:
        root.append(suite)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    ET.indent(root)
    text = without_commands(ET.tostring(root, encoding="unicode"), lambda character: f"&#{ord(character)};")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(report: SkewReport, view: str, features: Sequence[FeatureResult], findings: Sequence[Finding]) -> ET.Element:
    name = one_line(view) or one_line(report.project)
    suite = _new_suite(report, name)
    for feature in features:
        case = ET.SubElement(suite, "testcase", name=one_line(feature.feature), classname=name, time="0")
        if stops(report, feature):
            tag = "failure" if feature.verdict in (Verdict.FAIL, Verdict.WARN) else "error"
            found = ET.SubElement(case, tag, type=feature.verdict.value, message=what_is_wrong(feature))
            found.text = _text(feature)
        elif feature.verdict is Verdict.INCONCLUSIVE:
            ET.SubElement(case, "skipped", message=what_is_wrong(feature))
        elif feature.verdict is Verdict.WARN or feature.known is not None:
            ET.SubElement(case, "system-out").text = _text(feature)
    case = ET.SubElement(suite, "testcase", name="findings", classname=name, time="0")
    severe = [finding for finding in findings if finding.severity == "fail"]
    lines = "\n".join(one_line(f"{finding.code} {finding.severity}: {finding_line(finding)}") for finding in findings)
    if severe:
        message = one_line("; ".join(f"{finding.code}: {finding.detail}" for finding in severe))
        ET.SubElement(case, "failure", type="finding", message=message).text = lines
    elif lines:
        ET.SubElement(case, "system-out").text = lines
    return _counted(suite)


def _skipped(report: SkewReport, view: str, reason: str) -> ET.Element:
    name = one_line(view)
    suite = _new_suite(report, name)
    case = ET.SubElement(suite, "testcase", name="not compared", classname=name, time="0")
    ET.SubElement(case, "skipped", message=one_line(reason))
    return _counted(suite)


def _new_suite(report: SkewReport, name: str) -> ET.Element:
    suite = ET.Element("testsuite", name=name, time="0")
    told = [("run_id", report.run_id), ("created_at", report.created_at), ("as_of", report.as_of)]
    told += [("baseline", line) for line in against_baseline(report)[:1]]
    # As properties, since Surefire's schema knows no `timestamp` of a suite.
    properties = ET.SubElement(suite, "properties")
    for key, value in told:
        ET.SubElement(properties, "property", name=key, value=one_line(value))
    return suite


def _counted(suite: ET.Element) -> ET.Element:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _text(feature: FeatureResult) -> str:
    known = [feature.known.reason] if feature.known is not None else []
    lines = [one_line(reason) for reason in dict.fromkeys((*known, *feature.reasons))]
    for cause in leading(feature.causes):
        lines += [one_line(f"cause {cause.code}: {cause.detail}"), one_line(f"remedy: {cause.remedy}")]
    named = (("owner", feature.owner), ("runbook", feature.runbook), ("services", ", ".join(feature.services)))
    lines += [clean(f"{name}: {one_line(value)}") for name, value in named if value]
    return "\n".join(lines)
