"""Where reports go: checked before the work begins, written whole, alone where they must be."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
from rides import AS_OF, DRIVERS, RIDERS, Repository, Run, command, environment, run_process

ASKED = ("--as-of", AS_OF)


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        ("json", ("'json'", "json=report.json")),
        ("json=", ("'json='", "json=report.json")),
        ("=x", ("'=x'", "json=report.json")),
        ("jsn=x.json", ("'jsn'", "json")),
        ("qq=x.q", ("'qq'", "known", "json")),
        ("json={tmp}", ("is a directory",)),
        ("json={tmp}/no/where.json", ("no directory", "/no")),
        ("json={tmp}/file/x.json", ("no directory", "/file")),
        ("json=/proc/x.json", ("/proc/x.json", "cannot be written")),
        ("json=/proc/self/status", ("/proc/self/status", "cannot be written")),
        ("json={tmp}/" + "x" * 300, ("cannot be written", "too long")),
        ("json={tmp}/a\0b", ("cannot be written",)),
    ],
)
def test_unwritable_is_found_before_the_work(run: Run, tmp_path: Path, output: str, parts: tuple[str, ...]) -> None:
    """There is not even a repository: the output is looked at first."""
    (tmp_path / "file").write_text("kept")
    run("validate", "--repo", "nowhere", "--output", output.replace("{tmp}", str(tmp_path))).refused(2, *parts)
    assert (tmp_path / "file").read_text() == "kept"
    assert {entry.name for entry in tmp_path.iterdir()} <= {"file", "cwd"}


def test_twice_to_stdout(run: Run, repo: Repository) -> None:
    run("validate", "--repo", repo.path, "--output", "json=-", "--output", "text=-").refused(2, "standard output")


def test_twice_to_one_file(run: Run, repo: Repository, tmp_path: Path) -> None:
    both = ("--output", f"json={tmp_path}/a", "--output", f"text={tmp_path}/cwd/../a")
    run("validate", "--repo", repo.path, *both).refused(2, f"{tmp_path}/a")


def test_nothing_is_written_when_nothing_was_measured(run: Run, repo: Repository, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("earlier")
    run("validate", "--repo", repo.path, "--view", "nope", "--output", f"json={file}").refused(2, "nope")
    assert file.read_text() == "earlier"


def test_files_beside_the_table(run: Run, repo: Repository, tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.txt"
    two.write_text("an earlier one, longer than " + "what follows " * 1000)
    two.chmod(0o640)
    outcome = run("validate", "--repo", repo.path, *ASKED, "--output", f"json={one}", "--output", f"text={two}")
    assert outcome.code == 0
    assert two.read_text() == outcome.out
    assert json.loads(one.read_text())["verdict"] == "pass"
    assert stat.S_IMODE(two.stat().st_mode) == 0o640
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(one.stat().st_mode) == 0o666 & ~mask
    assert {entry.name for entry in tmp_path.iterdir()} == {"one.json", "two.txt", "repo", "cwd"}


def test_a_link_is_followed(run: Run, repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.json")
    assert run("validate", "--repo", repo.path, *ASKED, "--output", f"json={tmp_path}/link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["verdict"] == "pass"


def test_a_device_stays_a_device(run: Run, repo: Repository) -> None:
    assert run("validate", "--repo", repo.path, *ASKED, "--output", "json=/dev/null").code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_full_disk(run: Run, repo: Repository, tmp_path: Path) -> None:
    """The verdict is still told, and the other file written."""
    other = tmp_path / "other.json"
    full = ("--output", "json=/dev/full", "--output", f"json={other}")
    outcome = run("validate", "--repo", repo.path, *ASKED, *full)
    assert outcome.code == 3
    assert "the run is pass" in outcome.line
    assert "/dev/full" in outcome.line
    assert "No space left" in outcome.line
    assert outcome.out.startswith("PASS")
    assert json.loads(other.read_text())["verdict"] == "pass"
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_full_disk_on_stdout(repo: Repository, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("validate", "--repo", repo.path, *ASKED),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path / "cwd",
            env=environment(),
        )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "standard output" in done.stderr
    assert "No space left" in done.stderr


def test_reader_that_leaves(repo: Repository, tmp_path: Path) -> None:
    """`| head -1`: the exit code is the verdict's, and nothing is said."""
    process = subprocess.Popen(
        command("validate", "--repo", repo.path, *ASKED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path / "cwd",
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 0


CONTRACT: dict[str, Any] = {
    "": {
        "schema_version", "project", "run_id", "created_at", "engine", "as_of", "seed", "versions", "verdict", "sample",
        "features", "findings",
    },
    "versions": {"feast_skew", "feast"},
    "sample": {"requested", "entities", "population"},
    "feature": {
        "view", "feature", "dtype", "owner", "runbook", "verdict", "counts", "metrics", "causes", "examples",
    },
    "counts": {
        "entities", "match", "mismatch", "offline_only", "online_only", "null_offline", "null_online", "null_both",
        "absent_both", "unaligned", "corrupt", "stale", "ahead", "expired",
    },
    "mismatch_rate": {"value", "low", "high", "limit", "verdict"},
    "psi": {"value", "noise", "movement", "limit", "verdict"},
    "cause": {"code", "kind", "share", "confidence", "detail", "evidence", "remedy"},
    "example": {"key", "offline", "online", "offline_timestamp", "online_timestamp"},
    "finding": {"code", "severity", "view", "detail", "remedy"},
}  # fmt: skip
VERDICTS = {"pass", "warn", "fail", "inconclusive", "error"}
OVERLAYS = {"stale", "ahead", "expired"}


def check_schema(report: dict[str, Any]) -> None:
    """Hold a report against the example of the contract."""
    assert report.keys() >= CONTRACT[""]
    assert report["schema_version"] == "1"
    assert report["verdict"] in VERDICTS
    assert report["engine"] == "local"
    assert report["versions"].keys() >= CONTRACT["versions"]
    assert report["sample"].keys() >= CONTRACT["sample"]
    for name in ("created_at", "as_of"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", report[name])
    for feature in report["features"]:
        assert feature.keys() >= CONTRACT["feature"]
        assert feature["verdict"] in VERDICTS
        counts = feature["counts"]
        assert counts.keys() == CONTRACT["counts"]
        parts = sum(count for name, count in counts.items() if name != "entities" and name not in OVERLAYS)
        assert parts == counts["entities"]
        assert all(counts[name] <= counts["entities"] for name in OVERLAYS)
        if counts["entities"]:
            assert feature["metrics"]["mismatch_rate"].keys() >= CONTRACT["mismatch_rate"]
            if feature["dtype"] in ("Float64", "Int64") and counts["match"]:
                assert feature["metrics"]["psi"].keys() >= CONTRACT["psi"]
                assert {"mean_difference", "variance_ratio"} <= feature["metrics"].keys()
        for metric in feature["metrics"].values():
            assert metric["verdict"] in VERDICTS
        for cause in feature["causes"]:
            assert cause.keys() >= CONTRACT["cause"]
            assert cause["kind"] in ("what", "how")
            assert 0 <= cause["share"] <= 1
            assert 0 <= cause["confidence"] <= 1
        for example in feature["examples"]:
            assert example.keys() >= CONTRACT["example"]
    for finding in report["findings"]:
        assert finding.keys() >= CONTRACT["finding"]


def test_json_alone_and_by_the_contract(run: Run, repo: Repository) -> None:
    outcome = run("validate", "--repo", repo.path, *ASKED, "--output", "json=-")
    assert outcome.code == 0
    assert not outcome.err
    check_schema(outcome.report)
    assert outcome.report["sample"]["population"] == DRIVERS + RIDERS
    assert "\x1b" not in outcome.out


def test_json_of_everything_that_can_be_wrong(run: Run, repo: Repository) -> None:
    """Infinities and NaN, nulls, a lost row and a new one: still JSON, and the counts still add up."""
    import pandas as pd

    file = repo.path / "data" / "drivers.parquet"
    frame = pd.read_parquet(file)
    frame.loc[0, "rate"] = float("inf")
    frame.loc[1, "rate"] = float("-inf")
    frame.loc[2, "rate"] = float("nan")
    frame.loc[3, "city"] = None
    frame.loc[4, "event_timestamp"] += pd.Timedelta(days=1)
    frame.loc[5, "trips"] = 2**62
    frame = frame.drop(index=6)
    extra = frame.iloc[:1].assign(driver_id=10_000)
    pd.concat([frame, extra]).to_parquet(file)
    outcome = run("validate", "--repo", repo.path, *ASKED, "--output", "json=-")
    assert outcome.code == 1
    check_schema(outcome.report)
    counts = outcome.feature("driver_stats:rate")["counts"]
    assert counts["entities"] == DRIVERS
    assert (counts["mismatch"], counts["null_offline"], counts["unaligned"]) == (2, 1, 1)
    assert (counts["offline_only"], counts["stale"]) == (1, 1)
    assert outcome.report["findings"][0]["code"] == "FS204"


def test_json_of_errors_and_of_nothing(run: Run, repo: Repository) -> None:
    (repo.path / "data" / "drivers.parquet").unlink()
    outcome = run("validate", "--repo", repo.path, *ASKED, "--output", "json=-")
    assert outcome.code == 3
    check_schema(outcome.report)
    nobody = run(
        "validate", "--repo", repo.path, "--as-of", "2001-01-01", "--view", "rider_stats", "--output", "json=-"
    )
    check_schema(nobody.report)


def test_quiet(run: Run, repo: Repository, tmp_path: Path) -> None:
    outcome = run("validate", "--repo", repo.path, *ASKED, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    piped = run("validate", "--repo", repo.path, *ASKED, "--quiet", "--output", "json=-")
    assert piped.report["verdict"] == "pass"
    assert run("validate", "--repo", repo.path, *ASKED, "--quiet", "--output", f"json={tmp_path}/q.json").out == ""
    run("validate", "--repo", repo.path, "--quiet", "--view", "nope").refused(2, "nope")


def test_terminal_that_cannot_show_everything(run: Run, repo: Repository, tmp_path: Path) -> None:
    import pandas as pd

    repo.apply(view_owner="Ölçü 測試 <m@example.com>")
    file = repo.path / "data" / "drivers.parquet"
    pd.read_parquet(file).assign(rate=1.0).to_parquet(file)
    report = tmp_path / "r.json"
    told = run_process(
        "validate", "--repo", repo.path, *ASKED, "--output", f"json={report}",
        cwd=tmp_path / "cwd", PYTHONIOENCODING="latin-1", LC_ALL="C",
    )  # fmt: skip
    assert told.code == 1
    assert "\\u6e2c\\u8a66" in told.out
    assert json.loads(report.read_text(encoding="utf-8"))["features"][0]["owner"].startswith("Ölçü 測試")
    piped = run("validate", "--repo", repo.path, *ASKED, "--output", "json=-")
    assert piped.feature("driver_stats:rate")["owner"].startswith("Ölçü 測試")


def test_dry_run_needs_no_server_and_reads_no_value(run: Run, repo: Repository, redis: Any) -> None:
    repo.edit(redis.connection_string, "127.0.0.1:1")
    before = repo.files()
    outcome = run("validate", "--repo", repo.path, "--dry-run")
    assert outcome.code == 0
    assert not outcome.err
    assert re.search(r"300 rows, 5 columns of 0\.\d MB in all", outcome.out)
    assert "10,000 commands in at least 0.1 s" in outcome.out
    assert "10,000 commands\n" in run("validate", "--repo", repo.path, "--dry-run", "--max-ops", "off").out
    for part in ("driver_stats: rate, trips, city", "300 rows", "redis", "10,000 entities", "rider_stats: score"):
        assert part in outcome.out
    assert repo.files() == before


def test_dry_run_says_what_validate_would(run: Run, repo: Repository, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("rider_id\n007\n007\n008\n")
    asked = ("validate", "--repo", repo.path, "--dry-run")
    outcome = run(*asked, "--view", "rider_stats", "--entities", ids)
    assert "at most 2 entities" in outcome.out
    run(*asked, "--entities", ids).refused(2, "driver_id")
    run(*asked, "--view", "nope").refused(2, "nope")
    repo.configure("sampel: 5\n")
    run(*asked).refused(2, "sampel")
    repo.configure("sample: 5\n")
    assert "at most 5 entities" in run(*asked).out
    (repo.path / "data" / "drivers.parquet").unlink()
    run(*asked, "--view", "driver_stats").refused(3, "drivers.parquet", "does not exist")


def test_dry_run_with_an_output_is_refused(run: Run, repo: Repository, tmp_path: Path) -> None:
    """There is no report to write, and a script that waits for the file should hear so."""
    run("validate", "--repo", repo.path, "--dry-run", "--output", f"json={tmp_path}/r.json").refused(2, "--dry-run")
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error(run: Run, repo: Repository, monkeypatch: pytest.MonkeyPatch, debug: bool) -> None:
    """What nobody thought of ends in one line and exit code 3 too; here a library breaks underneath."""
    import pyarrow.dataset

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("first line\nsecond \x1b[31mline")

    monkeypatch.setattr(pyarrow.dataset, "dataset", broken)
    outcome = run("validate", "--repo", repo.path, *ASKED, *(["--debug"] if debug else []))
    assert outcome.code == 3
    assert not outcome.out
    assert "\x1b" not in outcome.err.splitlines()[-1]
    assert "unexpected RuntimeError: first line second ?[31mline" in outcome.err.splitlines()[-1]
    assert ("Traceback" in outcome.err) is debug
    assert (len(outcome.err.splitlines()) == 1) is not debug


def test_a_form_that_breaks_keeps_no_other_back(
    run: Run, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no page today")

    monkeypatch.setattr(jinja2.Template, "render", broken)
    page, data = tmp_path / "r.html", tmp_path / "r.json"
    outcome = run("validate", "--repo", repo.path, *ASKED, "--output", f"html={page}", "--output", f"json={data}")
    assert outcome.code == 3
    assert "unexpected RuntimeError: no page today" in outcome.err
    assert "pass" in outcome.out
    assert json.loads(data.read_text())["verdict"] == "pass"
    assert not page.exists()
