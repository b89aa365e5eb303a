"""A report made by hand, with every verdict and names that mean harm; what two runs of the same tables have in common."""

from __future__ import annotations

from typing import Any

from feast_skew.report import Cause, Example, FeatureResult, Finding, Metric, SkewReport, Verdict

ESCAPE = "\x1b[31mred\x1b[0m"
CLASSES = (
    "match", "mismatch", "offline_only", "online_only", "null_offline", "null_online", "null_both", "absent_both",
    "unaligned", "corrupt",
)  # fmt: skip


def without_run(report: SkewReport) -> dict[str, Any]:
    """The report as JSON without the run's name and moment, which is its `as_of` too where tables have no timestamps."""
    shown = report.to_dict()
    moment = shown.pop("created_at")
    del shown["run_id"]
    if shown["as_of"] == moment:
        del shown["as_of"]
    return shown


def counts(stale: int = 0, ahead: int = 0, expired: int = 0, **classes: int) -> dict[str, int]:
    parts = {name: classes.get(name, 0) for name in CLASSES}
    return {"entities": sum(parts.values()), **parts, "stale": stale, "ahead": ahead, "expired": expired}


def rates(value: float | None, high: float | None, verdict: Verdict, absent: float = 0.0) -> dict[str, Metric]:
    return {
        "mismatch_rate": Metric(value, value, high, 0.001, verdict, {"wrong": 0, "checked": 0, "needed": None}),
        "presence_rate": Metric(absent, absent, absent, 0.001, Verdict.PASS),
        "psi": Metric(0.138, limit=None, extra={"noise": 0.004, "movement": None}),
        "mean_difference": Metric(float("nan"), limit=None),
        "variance_ratio": Metric(float("inf"), limit=None),
    }


def report() -> SkewReport:
    wrong = FeatureResult(
        view="plane_delays",
        feature="avg_dep_delay",
        dtype="Float64",
        owner=f"mallory {ESCAPE}\nowner    somebody-else@example.com",
        runbook="https://example.com/runbook\r\x07",
        verdict=Verdict.FAIL,
        counts=counts(match=861, mismatch=3_176, stale=12),
        metrics=rates(0.7867, 0.7867, Verdict.FAIL),
        causes=(
            Cause(
                "definition_not_landed",
                "how",
                1.0,
                0.99,
                f"all wrong online values are what the earlier definition gives {ESCAPE}",
                {"earlier": "data/30d.parquet", "share": float("nan")},
                "set `skip_dedup: true` in online_store, materialize view plane_delays over the same range, take it "
                "out again",
            ),
            Cause("window", "what", 0.95, 0.9, "the same mean over another window", {"online_window": "30d"}, "decide"),
        ),
        examples=(
            Example({"tailnum": f"N1{ESCAPE}"}, 17.0, 66.123456789, "2013-03-14T00:00:00Z", None, "mismatch"),
            Example(
                {"tailnum": "N2"},
                None,
                "line one\nline two, longer than the column",
                None,
                "2013-03-14",
                "null_offline",
            ),
            Example({"origin": "JFK", "dest": "LAX"}, "x" * 5_000, None, None, None, "corrupt"),
            Example({}, 1, None, None, None, "offline_only"),
            Example({"tailnum": "\u202egnp.exe"}, True, float("inf"), None, None, "mismatch"),
        ),
        reasons=("3,176 of 4,037 differ; budget 0.100%",),
        quantiles={"offline": {"p50": 1.5}},
        services=("departure_delay_model",),
    )
    hostile = FeatureResult(
        view=f"view{ESCAPE}",
        feature="name\nPASS  everything: fine\x9b2J" + "x" * 5_000,
        dtype="String",
        owner="",
        runbook="",
        verdict=Verdict.ERROR,
        counts=counts(),
        metrics={},
        reasons=("offline source \x1b]0;title\x07 cannot be read: " + "word " * 60,),
    )
    undecided = FeatureResult(
        "small", "rare", "Int64", "team@example.com", "", Verdict.INCONCLUSIVE, counts(match=7, unaligned=1_234),
        rates(0.0, 0.348, Verdict.INCONCLUSIVE, 0.00012), reasons=("mismatch_rate: 0 of 7; 2,995 entities would decide",),
    )  # fmt: skip
    warned = FeatureResult(
        "plane_live", "flights", "Int64", "flight-streams@example.com", "README.md", Verdict.WARN,
        counts(match=99, corrupt=1, ahead=3, expired=2), rates(0.01, 0.0312, Verdict.PASS),
        reasons=("3 online rows are newer than the latest offline row",),
    )  # fmt: skip
    fine = FeatureResult(
        "plane_profile", "seats", "Int32", "flight-data@example.com", "", Verdict.PASS, counts(match=4_000, null_both=43),
        rates(0.0, 0.0, Verdict.PASS),
    )  # fmt: skip
    accents = FeatureResult(
        "größe", "測試", "Bool", "", "", Verdict.PASS, counts(match=10), rates(0.0, 0.0, Verdict.PASS)
    )
    return SkewReport(
        project=f"flights{ESCAPE}",
        run_id="20130102T000000-abcd",
        created_at="2014-01-02T00:00:00Z",
        engine="local",
        as_of="2014-01-02T00:00:00Z",
        seed=0,
        versions={"feast_skew": "0.1.0", "feast": "0.67.0"},
        sample={"requested": 10_000, "entities": 4_043, "population": 51_234, "key_sets": key_sets()},
        features=(wrong, hostile, undecided, warned, fine, accents),
        findings=(
            Finding(
                "FS204",
                "warn",
                f"view{ESCAPE}",
                "3 of 10 scanned keys\nare unknown offline",
                "delete these keys \x1b[2J",
            ),
            Finding("FS206", "info", "", "state file cannot be read: definitions are not remembered", "move it away"),
        ),
        skipped=({"view": f"odd{ESCAPE}", "reason": "a label view\x07"},),
        settings={"confidence": 0.95, "fail_on": "fail", "allow_inconclusive": False},
    )


def key_sets() -> list[dict[str, object]]:
    """One that was sampled, one of which nothing is sure, one read whole, one that cannot be foreseen, one of nobody."""
    curve = [{"rate": 0.0, "pass": 0.95, "fail": 0.0, "open": 0.05}]
    sampled = {"probability": 0.95, "pass_up_to": 0.00021, "fail_from": 0.0031}
    nothing = {"probability": 0.8, "pass_up_to": None, "fail_from": None}
    whole = {"probability": 0.95, "pass_up_to": 0.001, "fail_from": 0.0011}
    sizes = ((["tailnum"], 4_000, 50_000, sampled), ([f"origin{ESCAPE}", "dest"], 3, 1_191, nothing),
             (["carrier"], 40, 40, whole), (["id"], 3, 4, None), (["none"], 0, 0, whole))  # fmt: skip
    return [
        {"join_keys": keys, "entities": read, "population": size, "views": {}, "budget": 0.001,
         "operating_curve": curve if decided else [], "decided": decided}
        for keys, read, size, decided in sizes
    ]  # fmt: skip
