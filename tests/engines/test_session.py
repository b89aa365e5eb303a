"""The Spark session of a run, each time in a process of its own: its settings, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "{'spark.driver.extraJavaOptions': '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC', 'spark.sql.shuffle.partitions': '2'}"
)
MARK = "FEAST_SKEW_TEST"


class Process:
    """A process of Python with an environment of its own, by which its descendants are found, too."""

    def __init__(self, code: str, cwd: Path, **names: str | None) -> None:
        self.mark = uuid.uuid4().hex
        changes = {"PYTHONPATH": str(ROOT), "TMPDIR": str(cwd), MARK: self.mark, "TZ": "Asia/Tokyo", **names}
        environment = {**os.environ, **changes}
        for name in ("SPARK_LOCAL_IP", "PYSPARK_PYTHON", "SPARK_MASTER", "SPARK_REMOTE", "PYSPARK_SUBMIT_ARGS"):
            environment.setdefault(name, None)
            if name not in names:
                environment[name] = None
        self.popen = subprocess.Popen(
            [sys.executable, "-c", code], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={name: value for name, value in environment.items() if value is not None},
        )  # fmt: skip

    def end(self) -> tuple[int, str, str]:
        out, err = self.popen.communicate(timeout=300)
        print(out, err, self.popen.returncode)
        return self.popen.returncode, out, err

    def living(self) -> list[str]:
        """Give the processes that descend from this one and have not ended."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """Where the process stands and puts its temporary files: empty at the end."""
    place = tmp_path / "here"
    place.mkdir()
    yield place
    assert not [entry.name for entry in place.iterdir()]


def test_a_session_of_our_own(here: Path, tmp_path: Path) -> None:
    """In UTC, on loopback, its tasks retried, its Python this one; and the process afterwards as it was."""
    code = f"""
import os, sys, time
from pathlib import Path
from feast_skew.engines.spark.session import open_session
before = dict(os.environ)
once = Path({str(tmp_path / "once")!r})
def dies_once(batches):
    import pyarrow
    if not once.exists():
        once.touch()
        os._exit(1)
    yield from batches
quick = {{**{QUICK}, "spark.sql.session.timeZone": "America/New_York", "spark.hadoop.password": "hunter2"}}
with open_session("ours", master="local[2]", settings=quick) as opened:
    spark, context = opened.session, opened.session.sparkContext
    assert not opened.found and context.appName == "ours" and context.master == "local[2,4]"
    assert (opened.zones.session, opened.zones.driver) == ("America/New_York", "Asia/Tokyo")
    assert time.tzname == ("UTC", "UTC") and spark.conf.get("spark.sql.session.timeZone") == "UTC"
    conf = context.getConf()
    assert conf.get("spark.driver.host") == conf.get("spark.driver.bindAddress") == "127.0.0.1"
    assert context.uiWebUrl is None and conf.get("spark.hadoop.password") == "hunter2"
    assert spark._jvm.java.util.TimeZone.getDefault().getID() == "UTC"
    jvm = context._gateway.proc.pid
    assert b"hunter2" not in Path(f"/proc/{{jvm}}/cmdline").read_bytes()
    assert spark.range(10).mapInArrow(dies_once, "id long").toPandas()["id"].sum() == 45
    assert once.exists()
    with open_session("inside") as inner:
        assert inner is opened
    assert spark.range(3).count() == 3
assert not Path(f"/proc/{{jvm}}").exists()
after = {{name: value for name, value in os.environ.items() if name in before or name not in
         ("SPARK_AUTH_SOCKET_TIMEOUT", "SPARK_BUFFER_SIZE")}}  # these two are pyspark's own
assert after == before, set(after.items()) ^ set(before.items())
assert time.tzname[0] == "JST"
assert "pandas" in sys.modules
"""
    process = Process(code, here)
    assert process.end() == (0, "", "")
    assert not process.living()


def test_a_session_that_was_there(here: Path) -> None:
    """It gets UTC for the while, and is left as it was, running."""
    code = """
import time
from pyspark.sql import SparkSession
from feast_skew.embedded.java import use_java
from feast_skew.engines.spark.session import open_session
use_java()
builder = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "Europe/Zurich")
spark = builder.config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false").getOrCreate()
zone = lambda: spark.conf.get("spark.sql.session.timeZone")
for ends_by in (None, ValueError):
    try:
        with open_session("theirs", master="local[7]") as opened:
            assert opened.found and opened.session is spark
            assert (opened.zones.session, opened.zones.driver) == ("Europe/Zurich", "Asia/Tokyo")
            assert zone() == "UTC" and time.tzname[0] == "UTC" and len(spark.getTags()) == 1
            if ends_by is not None:
                raise ends_by
    except ValueError:
        pass
    assert zone() == "Europe/Zurich" and time.tzname[0] == "JST" and not spark.getTags()
    assert spark.range(3).count() == 3
spark.stop()
"""
    process = Process(code, here, SPARK_LOCAL_IP="127.0.0.1")
    assert process.end()[:2] == (0, "")
    wait_for(lambda: not process.living(), seconds=30)


@pytest.mark.parametrize("how", ["collected", pytest.param("counted", marks=pytest.mark.slow)])
def test_ctrl_c_during_a_job(here: Path, tmp_path: Path, how: str) -> None:
    """The interruption comes through, although pyspark waits for the job where rows are being collected."""
    code = f"""
import time
from feast_skew.engines.spark.session import open_session
def slow(batches):
    for batch in batches:
        open({str(tmp_path / "running")!r}, "w").close()
        time.sleep(120)
        yield batch
try:
    with open_session("slow", settings={QUICK}) as opened:
        job = opened.session.range(10).mapInArrow(slow, "id long")
        {"job.toPandas()" if how == "collected" else "job.count()"}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = Process(code, here)
    wait_for((tmp_path / "running").exists)
    time.sleep(0.5)
    process.popen.send_signal(signal.SIGINT)
    begin = time.monotonic()
    code_, out, err = process.end()
    assert (code_, out) == (0, "interrupted\n"), err
    assert "Traceback" not in err
    assert time.monotonic() - begin < 30
    wait_for(lambda: not process.living(), seconds=10)


def test_ctrl_c_while_spark_starts(here: Path) -> None:
    code = """
from feast_skew.engines.spark.session import open_session
try:
    with open_session("starting"):
        print("too late")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = Process(code, here)
    wait_for(lambda: any("SparkSubmit" in line for line in process.living()))
    process.popen.send_signal(signal.SIGINT)
    code_, out, err = process.end()
    assert (code_, out) == (0, "interrupted\n"), err
    wait_for(lambda: not process.living(), seconds=30)


def test_a_master_that_does_not_exist(here: Path) -> None:
    code = """
from feast_skew.engines.spark.session import open_session
from feast_skew.errors import EngineUnavailable
try:
    with open_session("lost"):
        print("too far")
except EngineUnavailable as error:
    print(error.exit_code, error.one_line())
"""
    code_, out, err = (process := Process(code, here, SPARK_MASTER="nowhere:7077")).end()
    assert (code_, err) == (0, "")
    assert (
        out == "3 Spark did not start on nowhere:7077: Master must either be yarn or start with spark, k8s, or local\n"
    )
    assert not process.living()


def test_without_pyspark_or_with_another_kind_of_session(here: Path) -> None:
    code = """
import sys
from feast_skew.engines.spark.session import open_session
from feast_skew.errors import ConfigError
MISSING
try:
    with open_session("none"):
        print("too far")
except ConfigError as error:
    print(error.one_line())
"""
    missing = code.replace("MISSING", "sys.modules['pyspark'] = None")
    assert Process(missing, here).end() == (0, "pyspark is not installed: pip install 'feast-skew[spark]'\n", "")
    connect = Process(code.replace("MISSING", ""), here, SPARK_REMOTE="sc://127.0.0.1:1").end()
    assert connect[0] == 0, connect[2]
    assert "SPARK_REMOTE" in connect[1]


def wait_for(happened: object, seconds: float = 120) -> None:
    assert callable(happened)
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
