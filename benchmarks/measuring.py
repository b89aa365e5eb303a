"""What every benchmark needs: the machine in a line, medians with their spread, sections of a document, processes in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
_BEGUN = time.perf_counter()


def tell(text: str) -> None:
    """Say on stderr what is going on, with the seconds since the start."""
    print(f"[{time.perf_counter() - _BEGUN:5.0f} s] {text}", file=sys.stderr, flush=True)


def machine(server: str, packages: Iterable[str]) -> str:
    """Name the machine, Python, the versions and the server in one paragraph."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"{os.cpu_count()} cores, {_processor()}, {_memory()}; {platform.system()}; Python {platform.python_version()}; {server}; "
        f"{', '.join(found)}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def server_name(client: Any) -> str:
    """Name a server and its version."""
    facts = client.info("server")
    name = facts.get("server_name", "redis")
    return f"{name} {facts.get(f'{name}_version', facts['redis_version'])}"


def spread(values: Sequence[float], form: str = ",.0f", unit: str = "") -> str:
    """Write a median with the least and the largest value."""
    if not values:
        return ""
    middle = f"{statistics.median(values):{form}}{unit}"
    return middle if len(values) == 1 else f"{middle} ({min(values):{form}} to {max(values):{form}})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide figures pair by pair: those of one round were measured one after another."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


@dataclass(frozen=True)
class Goal:
    """What is to be reached, what was measured, and whether the one is the other."""

    text: str
    measured: str
    met: bool


def goals_table(goals: Iterable[Goal]) -> list[str]:
    """Write goals as a table; those that are not met are told by a word in capitals."""
    lines = ["", "| goal | measured | met |", "|---|---|---|"]
    return [*lines, *(f"| {one.text} | {one.measured} | {'yes' if one.met else 'NO'} |" for one in goals)]


def write_section(name: str, lines: Sequence[str]) -> None:
    """Put lines between the two marks of that name in docs/benchmarks.md.

    Raises
    ------
    SystemExit
        When the document has no such marks.
    """
    text = DOCUMENT.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{DOCUMENT} has no section {name}")
    DOCUMENT.write_text(before + begin + "\n".join(lines).strip() + "\n" + end + after, encoding="utf-8")
    tell(f"wrote the section {name} of {DOCUMENT}")


class Worker:
    """A script in a process of its own that says when it is ready, and then does what it is told, a line at a time.

    What it answers is JSON, a line each; what its libraries print goes elsewhere.
    """

    def __init__(self, script: str, arguments: Sequence[str]) -> None:
        command = [sys.executable, "-W", "ignore", str(HERE / script), *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.trouble = ""

    def answer(self) -> Any:
        """Wait for the next answer; None, with `trouble` set, when the process has ended instead."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        lines = [one for one in self._process.stderr.read().splitlines() if one.strip()]
        self.trouble = lines[-1][:300] if lines else "it ended without a word"
        return None

    def tell(self, word: str) -> None:
        """Say a word to the process, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def ask(self, word: str) -> Any:
        """Say a word to the process and wait for its answer."""
        self.tell(word)
        return self.answer()

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()


def speak() -> Any:
    """Give, in a worker, the stream that its answers go to; everything else that is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda what: print(json.dumps(what), file=answers, flush=True)
