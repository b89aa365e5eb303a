"""A report in which every text that others may write tries to do something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from synthetic import synthetic

from feast_skew.report import Cause, Example, FeatureResult, Finding, Known, Past, SkewReport, Verdict

PAYLOADS = (
    "<img src=x onerror=window.hacked=1>",
    "\"'><script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "</noscript><img src=x onerror=window.hacked=1>",
    "</style><style>*{display:none}</style>",
    "&lt;img src=x onerror=window.hacked=1&gt;",
    "<!--<script>",
    "javascript:window.hacked=1",
    '" autofocus onfocus=window.hacked=1 x="',
    "<svg onload=window.hacked=1>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'>",
    "{{ 7 * 7 }}{% raw %}",
    "[click](javascript:window.hacked=1) **bold** `code`",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe\u2066\u200f",
    "=cmd|' /C calc'!A0",
    "__proto__",
    "\ud800 lone",
    "a" * 5_000,
)
RUNBOOKS = (
    "javascript:window.hacked=1",
    "JAVASCRIPT:window.hacked=1",
    "java\nscript:window.hacked=1",
    "data:text/html,<script>window.hacked=1</script>",
    "//example.com/x",
    "https:example",
    "vbscript:x",
    "file:///etc/passwd",
    'https://example.com/"onmouseover="window.hacked=1',
)


def feature(payload: str, runbook: str, past: tuple[Past, ...]) -> FeatureResult:
    """Give a feature, with real charts, all of whose texts are one payload."""
    base = next(one for one in synthetic(12).features if one.feature == "tier")
    psi = base.metrics["psi"]
    labels = [payload, *psi.extra["labels"][1:]]
    evidence: dict[str, Any] = {payload: payload, "items": [payload], "mapping": {payload: 1}}
    return replace(
        base,
        view=payload,
        feature=payload,
        dtype=payload,
        owner=payload,
        channel=payload,
        runbook=runbook,
        services=(payload,),
        reasons=(payload,),
        known=Known("worse", "fail", "fail", payload, payload),
        causes=(Cause(payload, "what", 0.5, 0.5, payload, evidence, payload),),
        examples=(Example({payload: payload}, payload, [payload], payload, payload, payload),),
        confusion=({"offline": payload, "online": payload, "rows": 1, "share": 1.0},),
        paths=({"path": payload, "rows": 1, "differ": 1, "offline_only": 0, "online_only": 0},),
        metrics={**base.metrics, "psi": replace(psi, extra={**psi.extra, "labels": labels, "reason": payload})},
        past=(*past, Past(payload, payload, Verdict.FAIL, 0.1, 0.1, 0.1, cause=payload)),
    )


def hostile(payloads: tuple[str, ...] = PAYLOADS, runbooks: tuple[str, ...] = RUNBOOKS) -> SkewReport:
    """Give a report of a feature for each payload; findings, skipped views and the head are payloads too."""
    base = synthetic(12)
    past = base.features[0].past
    features = [feature(payload, runbooks[i % len(runbooks)], past) for i, payload in enumerate(payloads)]
    return replace(
        base,
        project=payloads[0],
        run_id=payloads[-1],
        as_of=payloads[0],
        engine=payloads[0],
        versions={payload: payload for payload in payloads},
        features=tuple(features),
        findings=tuple(Finding(payload, payload, payload, payload, payload) for payload in payloads),
        skipped=tuple({"view": payload, "reason": payload} for payload in payloads),
    )
