"""How large the HTML report is, and when it can be used: the median of runs in a headless Chromium, each in a fresh tab."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "render")]

from browser import MISSING, Browser, Page, chromium  # noqa: E402  of the tests
from synthetic import synthetic  # noqa: E402
from tables import Table, show  # noqa: E402

from feast_skew.render.html import render  # noqa: E402

READY = "performance.getEntriesByName('ready')[0].startTime"
# The browser may tell of its first paint after the page has loaded.
SEEN = """new Promise(done => new PerformanceObserver((list, observer) => {
  const seen = list.getEntriesByName('first-contentful-paint')[0];
  if (seen) { observer.disconnect(); done(seen.startTime); }
}).observe({ type: 'paint', buffered: true }))"""
# From the click to the charts of the first feature, the numbers of all features read for them.
OPENING = """new Promise(done => {
  const begin = performance.now(), feature = document.querySelector('.feature');
  new MutationObserver((_, observer) => { if (feature.querySelector('.charts figure')) { observer.disconnect(); done(performance.now() - begin); } })
    .observe(feature, { childList: true, subtree: true });
  feature.querySelector('summary').click();
})"""
# From a letter in the search field to the next frame.
FILTERING = """new Promise(done => {
  const field = document.querySelector('[name=text]'), begin = performance.now();
  field.value = 'tier';
  field.dispatchEvent(new Event('input', { bubbles: true }));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
})"""


def measure(browser: Browser, file: Path, runs: int) -> list[float]:
    """Give the medians, in milliseconds: first seen, ready, a feature opened, a filter applied."""
    found = []
    for _ in range(runs + 1):
        with browser.page() as page:
            page.size(1280, 900)
            page.open(file.as_uri())
            found.append([page.run(script) for script in (SEEN, READY, OPENING, FILTERING)])
            _check(page)
    # The first tab also starts the browser's own processes.
    return [statistics.median(column) for column in zip(*found[1:], strict=True)]


def _check(page: Page) -> None:
    troubles = page.troubles()
    assert not troubles, troubles


def main() -> None:
    """Print the table, and put it into docs/html.md when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="of which the median is told")
    parser.add_argument("--features", type=int, nargs="+", default=[5, 50, 1_000], help="in the report")
    parser.add_argument("--write", action="store_true", help="put the table into docs/html.md")
    chosen = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit(MISSING)
    rows = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, Path(folder) / "profile")
        try:
            for count in chosen.features:
                of = synthetic(count)
                begin = time.perf_counter()
                text = render(of)
                spent = time.perf_counter() - begin
                file = Path(folder) / f"{count}.html"
                file.write_text(text, encoding="utf-8")
                size = file.stat().st_size / 1e6
                told = [f"{value / 1000:.2f} s" for value in measure(browser, file, chosen.runs)]
                rows.append([f"{count:,}", f"{size:.2f} MB", f"{spent:.2f} s", *told])
        finally:
            browser.close()
    heads = ["features", "size", "written in", "first seen", "usable", "a feature opened", "filtered"]
    table: Table = (heads, rows)
    show({"html": table}, ROOT / "docs" / "html.md", write=chosen.write)


if __name__ == "__main__":
    main()
