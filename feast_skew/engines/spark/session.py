"""A Spark session for a run: the one that is there, else one of our own; in UTC, and ended by Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from feast_skew.embedded.java import use_java
from feast_skew.engines.spark.interrupting import STOP_SECONDS, cancelled_when_interrupted, in_another_thread
from feast_skew.errors import ConfigError, EngineUnavailable
from feast_skew.stores.spark_zones import SESSION_ZONE, TimeZones, driver_in_utc

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASTER_VARIABLE = "SPARK_MASTER"
_MASTER = "spark.master"
_ARROW = "spark.sql.execution.arrow.pyspark.enabled"
_LOOPBACK = "127.0.0.1"
# Where nothing else is said. In local mode Spark gives up on a task that failed once, unless the master says otherwise.
_TASK_FAILURES = 4
_JAVA_OPTIONS = "SPARK_SUBMIT_OPTS"
# Java's second compiler shares the cores with the work. With ten times its limits it takes some twenty seconds of CPU less of a run
# that is over in a minute, and still compiles what runs for long.
_LATE_COMPILER = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
_PLAIN_LOCAL = re.compile(r"local(?:\[\s*(\d+|\*)\s*\])?")
_UNLESS_SET = {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false", _ARROW: "true"}
_UNLESS_SET_LOCALLY = {
    "spark.driver.host": _LOOPBACK,
    "spark.driver.bindAddress": _LOOPBACK,
    "spark.ui.enabled": "false",
}
_ALWAYS = {SESSION_ZONE: "UTC", "spark.executorEnv.TZ": "UTC"}
# What has to be known when the JVM starts. All else is set afterwards, for on its command line every user of the machine sees it.
_AT_LAUNCH = (_MASTER, "spark.driver.", "spark.jars", "spark.submit.")
_SECRET = re.compile(r"(?i)secret|password|token|access[.]?key")
_THROWN = re.compile(r"(?:Exception in thread \S+ |Caused by: |: |Error: )(?:[\w.$]+(?:Exception|Error): )?(.+)")


@dataclass(frozen=True)
class Opened:
    """A session that can be worked with, whether it was there before, and the time zones that it would have had."""

    session: SparkSession
    found: bool
    zones: TimeZones


@contextlib.contextmanager
def open_session(
    app_name: str, *, master: str | None = None, settings: Mapping[str, str] | None = None, quiet: bool = True
) -> Iterator[Opened]:
    """Give a session in UTC: the active one, which is left running, else one of our own, which is stopped at the end.

    Parameters
    ----------
    app_name : str
        Under which Spark shows a session of our own.
    master : str, optional
        Of a session of our own; else SPARK_MASTER, `spark.master` of the settings, spark-submit's or spark-defaults.conf's
        master, and `local[*]`, in this order.
    settings : mapping, optional
        Of a session of our own, over Spark's defaults; the time zone is UTC all the same.
    quiet : bool
        Whether what a JVM of our own writes is kept off standard error; the end of it is in the error when it does not start.

    Raises
    ------
    ConfigError
        When there is no pyspark or no Java for it.
    EngineUnavailable
        When Spark does not start.
    KeyboardInterrupt
        When an interruption came, whatever Spark made of it; its jobs are cancelled.
    """
    found = _running()
    around = next((block for block in _blocks if block.session is found), None)
    if around is not None:
        yield around
        return
    with driver_in_utc() as driver_zone, _environment():
        if found is not None:
            with (
                _pinned(found) as before,
                cancelled_when_interrupted(found, lambda: None),
                _remembered(Opened(found, True, TimeZones(before, driver_zone))) as opened,
            ):
                yield opened
            return
        with (
            _started(app_name, master, dict(settings or {}), quiet) as (session, before, stop),
            cancelled_when_interrupted(session, stop),
            _remembered(Opened(session, False, TimeZones(before, driver_zone))) as opened,
        ):
            yield opened


_blocks: list[Opened] = []


@contextlib.contextmanager
def _remembered(opened: Opened) -> Iterator[Opened]:
    """Let blocks inside of this one have the session, its end and its first time zones from here."""
    _blocks.append(opened)
    try:
        yield opened
    finally:
        _blocks.remove(opened)


def _running() -> SparkSession | None:
    """Give the session of this process; one of another thread counts, as a new one would share and stop its context."""
    try:
        from pyspark import SparkContext
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
            raise
        raise ConfigError("pyspark is not installed", hint="pip install 'feast-skew[spark]'") from error
    try:
        return SparkSession.active()
    except PySparkException:
        return None if SparkContext._active_spark_context is None else SparkSession.builder.getOrCreate()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Set the variables of this process back at the end."""
    names = ("JAVA_HOME", "SPARK_LOCAL_IP", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", _JAVA_OPTIONS)
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _pinned(session: SparkSession) -> Iterator[str | None]:
    """Put a session of somebody else in UTC for a while; give the zone that it had."""
    with configured(session, {SESSION_ZONE: "UTC", _ARROW: "true"}) as before:
        if str(session.conf.get(SESSION_ZONE, "")) != "UTC":
            raise EngineUnavailable(
                f"Spark does not let {SESSION_ZONE} be UTC", hint="set it when the session is started"
            )
        yield before[SESSION_ZONE]


@contextlib.contextmanager
def configured(session: SparkSession, settings: Mapping[str, str]) -> Iterator[Mapping[str, str | None]]:
    """Let a session have other settings for a while, as far as it lets itself be told; give those that it had."""
    before = {name: session.conf.get(name, None) for name in settings}
    try:
        for name, value in settings.items():
            with contextlib.suppress(Exception):  # serverless sessions have most of them, and refuse to be told so
                session.conf.set(name, value)
        yield before
    finally:
        # The connection of this thread may be in the middle of an answer that an interruption cut short.
        in_another_thread(lambda: _set_back(session, before))


def _set_back(session: SparkSession, before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        with contextlib.suppress(Exception):  # what could not be set cannot be set back
            if value is None:
                session.conf.unset(name)
            else:
                session.conf.set(name, value)


@contextlib.contextmanager
def _started(
    app_name: str, master: str | None, settings: dict[str, str], quiet: bool
) -> Iterator[tuple[SparkSession, str | None, Callable[[], None]]]:
    """Start a session of our own; give it, the time zone it would have had, and how it is stopped in a hurry."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if "SPARK_REMOTE" in os.environ:
        raise ConfigError(
            "SPARK_REMOTE asks for a session of Spark Connect", hint="open that session first, or unset the variable"
        )
    asked = master or os.environ.get(MASTER_VARIABLE) or settings.get(_MASTER)
    with tempfile.TemporaryFile() as log, _gateway(asked, settings, log if quiet else None):
        running = [True]
        stopping = threading.Lock()

        def stop() -> None:
            with stopping:  # whoever comes second waits until it has stopped
                if running:
                    running.clear()
                    session.stop()

        before = signal.getsignal(signal.SIGINT)
        conf = SparkConf()  # with what spark-submit and spark-defaults.conf say
        try:
            zone = settings.get(SESSION_ZONE) or conf.get(SESSION_ZONE)
            for name, value in _settings(conf, asked, settings).items():
                conf.set(name, value)
            conf.setAppName(app_name)
            _use_this_python(conf.get(_MASTER) or "")
            session = SparkSession(SparkContext(conf=conf))
        except Exception as error:
            raise _not_started(conf.get(_MASTER), error, log) from error
        finally:
            # Spark's own handler would talk to the JVM in the middle of another answer.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, before)
        try:
            yield session, zone, stop
        except BaseException:
            in_another_thread(stop)
            raise
        else:
            stop()


def _settings(conf: Any, asked: str | None, settings: Mapping[str, str]) -> dict[str, str]:
    """Give all that is to be set on Spark's own configuration."""
    master = asked or conf.get(_MASTER) or "local[*]"
    plain = _PLAIN_LOCAL.fullmatch(master.strip())
    if plain is not None:
        master = f"local[{plain.group(1) or 1},{_TASK_FAILURES}]"
    defaults = {**_UNLESS_SET, **(_UNLESS_SET_LOCALLY if _is_local(master) else {})}
    unset = {name: value for name, value in defaults.items() if not conf.contains(name)}
    return {**unset, **settings, **_ALWAYS, _MASTER: master}


def _is_local(master: str) -> bool:
    """Tell whether drivers and executors are on this machine: `local-cluster[...]` counts."""
    return master.startswith("local")


def _use_this_python(master: str) -> None:
    """Let local executors run this Python: the one on PATH need not have our libraries."""
    if _is_local(master):
        for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
            os.environ.setdefault(name, sys.executable)


@contextlib.contextmanager
def _gateway(asked: str | None, settings: Mapping[str, str], log: IO[bytes] | None) -> Iterator[None]:
    """Have a JVM: spark-submit's, one that is running already, or one of our own, which ends with the block."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    if "PYSPARK_GATEWAY_PORT" in os.environ or SparkContext._gateway is not None:
        SparkContext._ensure_initialized()
        yield
        return
    use_java()
    if _is_local(asked or _announced_master() or "local"):
        # Or Spark looks up the name of the machine, which containers often cannot resolve.
        os.environ.setdefault("SPARK_LOCAL_IP", _LOOPBACK)
        # Options of the user come after ours, and win.
        os.environ[_JAVA_OPTIONS] = " ".join((*_LATE_COMPILER, os.environ.get(_JAVA_OPTIONS, ""))).strip()
    conf = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        if name.startswith(_AT_LAUNCH) and not _SECRET.search(name):
            conf.set(name, value)
    if asked:
        conf.set(_MASTER, asked)
    output: Any = log if log is not None else sys.stderr.fileno()
    try:
        gateway = launch_gateway(conf, {"stdout": output, "stderr": output})
    except BaseException as error:
        _end_process(_launched(error), patience=0)
        if not isinstance(error, Exception):
            raise
        raise _not_started(asked, error, log) from error
    SparkContext._ensure_initialized(gateway=gateway)

    try:
        yield
    finally:
        # A later session of this process would inherit our settings from this JVM.
        SparkContext._gateway = SparkContext._jvm = None
        with contextlib.suppress(Exception):
            gateway.shutdown()
        _end_process(gateway.proc)


def _launched(error: BaseException) -> subprocess.Popen[bytes] | None:
    """Give the process that pyspark was starting when the error came; nothing else knows of it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        process = frame.f_locals.get("proc")
        if frame.f_code.co_name == "launch_gateway" and isinstance(process, subprocess.Popen):
            return process
    return None


def _end_process(process: subprocess.Popen[bytes] | None, patience: float = STOP_SECONDS) -> None:
    """End the JVM, which goes by itself when its standard input is closed."""
    if process is None:
        return
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _announced_master() -> str | None:
    """Give the master that Spark will find by itself, without a JVM to ask."""
    from pyspark.find_spark_home import _find_spark_home

    words = shlex.split(
        os.environ.get("PYSPARK_SUBMIT_ARGS", "").replace("--conf=", "").replace("--master=", f"{_MASTER}=")
    )
    if "--master" in words[:-1]:
        return words[words.index("--master") + 1]
    named = [word.removeprefix(f"{_MASTER}=") for word in words if word.startswith(f"{_MASTER}=")]
    if named:
        return named[-1]
    folder = os.environ.get("SPARK_CONF_DIR") or Path(_find_spark_home()) / "conf"
    with contextlib.suppress(OSError):
        for line in (Path(folder) / "spark-defaults.conf").read_text().splitlines():
            name, *rest = re.split(r"[\s=:]+", line.strip(), maxsplit=1)
            if name == _MASTER and rest:
                return rest[0]
    return None


def _not_started(asked: str | None, error: Exception, log: IO[bytes] | None) -> EngineUnavailable:
    """Give an error with the line that says why: from the JVM's own words, else from the error."""
    said = ""
    if log is not None:
        log.seek(0)
        said = log.read().decode(errors="replace")
    lines = [line.strip() for line in f"{said}\n{error}".splitlines() if line.strip()]
    thrown = [match.group(1) for line in lines if (match := _THROWN.match(line))]
    reason = thrown[-1] if thrown else lines[-1] if lines else type(error).__name__
    return EngineUnavailable(f"Spark did not start{f' on {asked}' if asked else ''}", hint=reason[:300])
