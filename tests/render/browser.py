"""A headless Chromium, driven through two pipes by its own protocol: no port is opened and no library is needed."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = "no Chromium on PATH (Debian: apt-get install chromium), so the HTML report is not looked at"
WAIT = 30.0
# Chromium reads commands from descriptor 3 and writes to 4.
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)
_FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check",
    "--disable-extensions", "--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def chromium() -> str | None:
    """Give the path of a Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class BrowserError(Exception):
    """Chromium refused a command, or did not answer in time."""


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        # Away from 3 and 4, which the child gives to Chromium.
        high = [os.dup(fd) for fd in (commands, answers) for _ in range(1)]
        high = [_raised(fd) for fd in high]
        for fd in (commands, answers):
            os.close(fd)
        flags = [*_FLAGS, *(("--no-sandbox",) if os.getuid() == 0 else ()), f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(high[0]), str(high[1]), program, *flags],
            pass_fds=high, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        for fd in high:
            os.close(fd)
        self._number, self._held = 0, b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + WAIT
        while True:
            found = self._next(end, method)
            if found.get("id") == self._number:
                if "error" in found:
                    raise BrowserError(f"{method}: {found['error']['message']}")
                return found["result"]
            self.events.append(found)

    def _next(self, end: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise BrowserError(f"{method}: {'Chromium has ended' if ready else f'no answer within {WAIT:.0f} s'}")
            self._held += part
        line, _, self._held = self._held.partition(b"\0")
        return json.loads(line)

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open a page of its own and close it at the end."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            yield Page(self, session)
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def close(self) -> None:
        """End Chromium."""
        try:
            self.call("Browser.close")
        except (BrowserError, OSError):
            self._process.kill()
        os.close(self._out)
        os.close(self._in)
        self._process.wait(WAIT)


def _raised(fd: int) -> int:
    """Give a descriptor above those that Chromium uses, and close the given one."""
    import fcntl

    high = fcntl.fcntl(fd, fcntl.F_DUPFD, 10)
    os.close(fd)
    return high


class Page:
    """A page that tells what it asked for and what went wrong on it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session, self._scripts = browser, session, True
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to this page."""
        return self._browser.call(method, self._session, **parameters)

    def open(self, address: str) -> None:
        """Go to an address and wait until it is loaded."""
        before = len(self._events("Page.loadEventFired"))
        self.call("Page.navigate", url=address)
        self.until(lambda: len(self._events("Page.loadEventFired")) > before)
        self.settle()

    def until(self, holds: Any) -> None:
        """Wait until something holds."""
        end = time.monotonic() + WAIT
        while not holds():
            if time.monotonic() > end:
                raise BrowserError(f"did not come true within {WAIT:.0f} s")
            self.call("Runtime.evaluate", expression="1")
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until two frames are drawn, and with them all that was observed; without scripts nothing is."""
        if not self._scripts:
            return
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")

    def run(self, script: str) -> Any:
        """Evaluate an expression on the page, wait for it if it is a promise, and give its value."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press a key and let it go."""
        codes = {"Enter": 13, "Tab": 9, " ": 32, "ArrowDown": 40, "Escape": 27}
        code = codes.get(key, ord(key[0].upper()))
        about = {"key": key, "code": {" ": "Space"}.get(key, key), "windowsVirtualKeyCode": code}
        self.call(
            "Input.dispatchKeyEvent", type="keyDown", text=text or {"Enter": "\r", " ": " "}.get(key, ""), **about
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="char", text=letter)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the window a size, or that of a phone."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def scheme(self, name: str) -> None:
        """Prefer the `dark` or the `light` scheme."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def scripts(self, *, off: bool) -> None:
        """Switch scripts off or on."""
        self._scripts = not off
        self.call("Emulation.setScriptExecutionDisabled", value=off)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def requests(self) -> list[str]:
        """Give the addresses that the page asked for."""
        return [event["params"]["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    def troubles(self) -> list[str]:
        """Give errors of scripts, messages on the console, and what the policy refused."""
        wrong = [event["params"]["exceptionDetails"] for event in self._events("Runtime.exceptionThrown")]
        wrong += [event["params"] for event in self._events("Runtime.consoleAPICalled")]
        wrong += [event["params"]["entry"] for event in self._events("Log.entryAdded")]
        wrong += [event["params"] for event in self._events("Page.javascriptDialogOpening")]
        return [json.dumps(one)[:500] for one in wrong]

    def _events(self, method: str) -> list[dict[str, Any]]:
        return [e for e in self._browser.events if e.get("sessionId") == self._session and e["method"] == method]
