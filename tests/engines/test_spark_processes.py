"""The command on Spark as a process: what is left of it when it is interrupted, and what of a password it shows."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import faults
from faults import World
from rides import AS_OF, Repository, command, environment
from servers.proxy import Proxy
from servers.server import Server, eventually

from feast_skew.demo.spark import find_job, find_submit
from feast_skew.embedded.java import find_java

PASSWORD = "hunter2secret"
PROMPTLY = 15.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that wants a password."""
    with Server(f"requirepass {PASSWORD}", password=PASSWORD) as server:
        connection = f"{server.address},password={PASSWORD}"
        yield faults.make_world(server, tmp_path_factory.mktemp("world") / "repo", drivers=1_500, connection=connection)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Where the process puts its temporary files: empty at the end but for what the JVM itself leaves."""
    place = tmp_path / "scratch"
    place.mkdir()
    yield place
    assert not [entry.name for entry in place.iterdir() if not entry.name.startswith("hsperfdata")]


def copy_of(world: World, folder: Path) -> Repository:
    shutil.copytree(world.repo.path, folder)
    return Repository(folder, world.repo.project)


def start(how: str, repo: Repository, scratch: Path, *arguments: str, **names: str) -> subprocess.Popen[str]:
    """Start a validation by the command or by spark-submit, in a group of its own, as a shell does."""
    options = ["--repo", str(repo.path), "--as-of", AS_OF, "--view", "driver_stats", "--sample", "all", *arguments]
    if how == "command":
        words = command("validate", "--engine", "spark", *options)
    else:
        words = [
            str(find_submit()), "--master", "local[2]", "--conf", "spark.ui.enabled=false", str(find_job()), *options,
        ]  # fmt: skip
        names = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, **names}
    return subprocess.Popen(
        words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=scratch.parent, start_new_session=True,
        env=environment(
            TMPDIR=str(scratch), SPARK_MASTER="local[2]", SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_DIRS=str(scratch),
            JAVA_HOME=str(find_java()), JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1", **names,
        ),
    )  # fmt: skip


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Give the process and all that descend from it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    return []


def alive(processes: list[psutil.Process]) -> list[str]:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:200])
    return found


@contextlib.contextmanager
def in_mid_read(process: subprocess.Popen[str], reading: Callable[[], bool]) -> Iterator[None]:
    """Wait until the executors of a process read; nothing of its group outlives the block."""
    try:
        eventually(lambda: process.poll() is not None or reading(), "executors read", 240)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["command", pytest.param("spark-submit", marks=pytest.mark.slow)])
def test_ctrl_c_in_mid_read(world: World, tmp_path: Path, scratch: Path, how: str) -> None:
    """The job on Spark ends with the command; the terminal sends the signal to every process of the group."""
    repo = copy_of(world, tmp_path / "repo")
    before = repo.files()
    process = start(
        how, repo, scratch, "--max-ops", "150", "--wrong-rows", str(tmp_path / "wrong"), "--output",
        f"json={tmp_path / 'report.json'}",
    )  # fmt: skip
    with in_mid_read(process, world.executors_read(100, of=process.pid)):
        everyone = family(process)
        assert any("pyspark.daemon" in one for one in alive(everyone))
        begun = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
        took = time.monotonic() - begun
    print(err, process.returncode, f"{took:.1f} s")
    assert process.returncode == 130
    assert took < PROMPTLY
    eventually(lambda: not alive(everyone), "no JVM and no Python is left", PROMPTLY - took)
    if how == "command":
        assert err == "feast-skew: interrupted\n"
    assert not (tmp_path / "report.json").exists()
    assert not list((tmp_path / "wrong").rglob("run_id=*"))
    assert repo.files() == before


@pytest.mark.slow
def test_a_jvm_that_dies_in_mid_read(world: World, tmp_path: Path) -> None:
    """As one does that runs out of memory: told by one line, with nothing half-written; its own files stay where it died."""
    repo, scratch = copy_of(world, tmp_path / "repo"), tmp_path / "scratch"
    scratch.mkdir()
    process = start("command", repo, scratch, "--max-ops", "150", "--output", f"json={tmp_path / 'report.json'}")
    with in_mid_read(process, world.executors_read(100, of=process.pid)):
        everyone = family(process)
        next(one for one in everyone if "java" in one.name()).kill()
        _, err = process.communicate(timeout=120)
    print(err)
    assert process.returncode == 3
    assert err.rstrip().splitlines()[-1].startswith("feast-skew: driver_stats: measuring (")
    assert "Spark's JVM has ended" in err
    assert "spark.driver.memory" in err
    eventually(lambda: not alive(everyone), "no Python is left", PROMPTLY)
    assert not (tmp_path / "report.json").exists()
    assert not list(scratch.glob("feast-skew-*"))


@pytest.mark.slow
def test_a_server_that_is_gone_for_good(world: World, tmp_path: Path, scratch: Path) -> None:
    """Waited for, then told by one line with the stage and the share that was done; no report, no table."""
    repo = copy_of(world, tmp_path / "repo")
    with closing(Proxy(world.server.port)) as proxy:
        repo.edit(world.server.address, f"127.0.0.1:{proxy.port}")
        process = start(
            "command", repo, scratch, "--max-ops", "150", "--wrong-rows", str(tmp_path / "wrong"), "--output",
            f"json={tmp_path / 'report.json'}",
        )  # fmt: skip
        with in_mid_read(process, world.executors_read(100, proxy.port, of=process.pid)):
            proxy.cut()
            _, err = process.communicate(timeout=300)
    print(err)
    assert process.returncode == 3
    (line,) = err.splitlines()
    assert line.startswith("feast-skew: driver_stats: measuring (")
    assert "tasks done): the online store (redis) does not answer" in line
    assert not (tmp_path / "report.json").exists()
    assert not list((tmp_path / "wrong").rglob("run_id=*"))


class Watched:
    """What every process of a family ever had on its command line, and what was staged meanwhile."""

    def __init__(self, process: subprocess.Popen[str], scratch: Path) -> None:
        self.lines: set[str] = set()
        self.staged: dict[Path, bytes] = {}
        while process.poll() is None:
            for one in family(process):
                with contextlib.suppress(psutil.Error):
                    self.lines.add(" ".join(one.cmdline()))
            # What is staged, and what Spark itself puts on a disk; much of it is gone again in a moment.
            for folder, _, names in os.walk(scratch):
                for path in (Path(folder) / name for name in names):
                    if path not in self.staged:
                        with contextlib.suppress(OSError):
                            self.staged[path] = path.read_bytes()
            time.sleep(0.05)


@pytest.mark.parametrize(
    "wrong", [pytest.param(False, id="right", marks=pytest.mark.slow), pytest.param(True, id="wrong on executors")]
)
def test_a_password_is_nowhere_to_be_seen(world: World, tmp_path: Path, scratch: Path, wrong: bool) -> None:
    """Neither in what is printed with --debug, nor in Spark's event log with its plans, nor on any command line."""
    repo, events, settings = copy_of(world, tmp_path / "repo"), tmp_path / "events", tmp_path / "conf"
    events.mkdir()
    settings.mkdir()
    (settings / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir {events.as_uri()}\nspark.eventLog.compress false\n"
        f"spark.sql.ui.explainMode extended\nspark.log.level INFO\n"
    )
    options = ["--debug", "--max-ops", "300", "--output", f"json={tmp_path / 'report.json'}"]
    if wrong:
        options += ["--wrong-rows", str(tmp_path / "wrong")]
    process = start("command", repo, scratch, *options, SPARK_CONF_DIR=str(settings))
    try:
        if wrong:
            reading = world.executors_read(100, of=process.pid)
            eventually(lambda: process.poll() is not None or reading(), "executors read", 240)
            world.server.ask("CONFIG", "SET", "requirepass", PASSWORD[::-1])
            world.server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        watched = Watched(process, scratch)
        said = process.communicate(timeout=120)
    finally:
        world.server.ask("CONFIG", "SET", "requirepass", PASSWORD)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    print(*said, process.returncode)
    assert process.returncode == (3 if wrong else 1)
    if wrong:
        assert said[1].rstrip().splitlines()[-1].startswith("feast-skew: driver_stats: ")
        assert "refused the password" in said[1]
    log = b"".join(path.read_bytes() for path in events.rglob("*") if path.is_file())
    assert b"physicalPlanDescription" in log
    assert b"MapInArrow" in log
    assert b"== Analyzed Logical Plan ==" in log
    seen = {
        "output": "\n".join(said).encode(), "event log": log, "command lines": "\n".join(watched.lines).encode(),
        **{str(path): content for path, content in watched.staged.items()},
    }  # fmt: skip
    assert len(watched.staged) > 5
    for where, content in seen.items():
        assert PASSWORD.encode() not in content, where
    if not wrong:
        assert PASSWORD not in (tmp_path / "report.json").read_text()
