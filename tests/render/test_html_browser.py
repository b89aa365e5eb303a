"""The HTML report in a real browser: nothing leaves it, nothing fails, and it can be used by keyboard, on a phone, in the dark and on paper."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, Page
from hostile import hostile
from reports import report
from synthetic import synthetic

from feast_skew.render.html import render
from feast_skew.report import SkewReport

pytestmark = pytest.mark.xdist_group("chromium")

Open = Callable[[SkewReport], Page]
PHONE = (360, 740)
KINDS = 12  # as many features as there are kinds of columns
CHARTS = ["Trend", "Against the limits", "Distributions", "Quantiles", "Pairs", "Lag"]

# Texts whose contrast with what lies behind them is below 4.5 (large ones: 3), and drawn shapes below 3.
CONTRAST = """(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const behind = (node) => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c[3] > 0) return c; } return [255, 255, 255]; };
  const poor = [];
  let texts = 0, shapes = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const own = node.parentElement, style = getComputedStyle(own);
    if (!node.data.trim() || own.closest("script, title, noscript, option") || !own.checkVisibility()) continue;
    texts += 1;
    const colour = own instanceof SVGElement ? style.fill : style.color, size = parseFloat(style.fontSize);
    const found = ratio(parse(colour), behind(own)), large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    if (found < (large ? 3 : 4.5)) poor.push([node.data.trim().slice(0, 30), own.className.baseVal ?? own.className, found]);
  }
  for (const shape of document.querySelectorAll(".bar rect, .charts rect, .charts .mark, .charts .curve, .charts .whisker, .charts .limit, .charts .guide")) {
    const style = getComputedStyle(shape), colour = style.fill === "none" ? style.stroke : style.fill;
    shapes += 1;
    const found = ratio(parse(colour), behind(shape));
    if (found < 3) poor.push([shape.tagName, shape.className.baseVal, found]);
  }
  return { poor, texts, shapes };
})()"""


@pytest.fixture
def opened(chromium_browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a report as a file; at the end, whatever a test did, nothing was asked for but the file and nothing failed."""
    file = tmp_path / "report.html"
    with chromium_browser.page() as page:

        def open_report(of: SkewReport) -> Page:
            file.write_text(render(of), encoding="utf-8")
            page.open(file.as_uri())
            return page

        yield open_report
        assert set(page.requests()) == {file.as_uri()}
        assert page.troubles() == []


def shown(page: Page) -> int:
    return page.run("document.querySelectorAll('.feature:not([hidden])').length")


def open_all(page: Page) -> None:
    """Open every feature, and have all of them drawn."""
    page.run("document.getElementById('open').click()")
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    page.settle()


def focus(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).focus()")


@pytest.mark.parametrize("count", [5, 1_000])
def test_a_feature_is_opened_by_keyboard_and_drawn(opened: Open, count: int) -> None:
    page = opened(synthetic(count))
    assert shown(page) == count
    assert page.run("document.getElementById('shown').textContent") == f"{count:,} of {count:,} features shown"
    assert page.run("document.querySelectorAll('.body').length") == 0
    focus(page, ".feature summary")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter")
    page.until(lambda: page.run("document.querySelectorAll('.charts figure').length") == len(CHARTS))
    assert page.run("[...document.querySelectorAll('.charts h3')].map(h => h.textContent)") == CHARTS
    assert page.run("document.querySelectorAll('.body').length") == 1
    assert page.run(
        "[...document.querySelectorAll('svg')].every(s => s.getAttribute('role') === 'img' && s.getAttribute('aria-label').length > 20)"
    )
    assert page.run(
        "[...document.querySelectorAll('.charts svg')].every(s => s.querySelectorAll('path, circle, rect').length > 2)"
    )
    assert not page.run(
        "[...document.querySelectorAll('.charts *')].some(e => [...e.attributes].some(a => a.value.includes('NaN')))"
    )
    assert page.run("document.querySelectorAll('.metrics .text').length") > 10
    page.press("Enter")
    assert not page.run("document.querySelector('.feature').open")


def test_charts_are_drawn_for_every_kind_of_feature(opened: Open) -> None:
    page = opened(synthetic(KINDS))
    open_all(page)
    drawn = page.run(
        "Object.fromEntries([...document.querySelectorAll('.feature')].map(f => [f.dataset.name.split(':')[1],"
        " [...f.querySelectorAll('.charts h3')].map(h => h.textContent)]))"
    )
    categories = {"tier", "country"}
    assert set(drawn) >= categories
    for name, titles in drawn.items():
        assert titles == [title for title in CHARTS if name not in categories or title not in ("Quantiles", "Pairs")]
    assert page.run("document.querySelectorAll('h3 + .wide th').length") > 0
    assert "bronze" in page.run(
        'document.querySelector(\'[data-name="customer_stats_0:tier"] [aria-label="Confused categories"]\').textContent'
    )


def test_bars_have_the_sizes_of_their_shares(opened: Open) -> None:
    of = synthetic(KINDS)
    page = opened(of)
    open_all(page)
    (tier,) = (one for one in of.features if one.feature == "tier")
    name = json.dumps('[data-name="customer_stats_0:tier"] .charts rect.online')
    widths = page.run(f"[...document.querySelectorAll({name})].map(r => +r.getAttribute('width'))")
    shares = tier.metrics["psi"].extra["online"]
    assert [w / sum(widths) for w in widths] == pytest.approx([s / sum(shares) for s in shares], abs=0.003)


def test_filters_by_keyboard(opened: Open) -> None:
    of = synthetic(60)
    page = opened(of)
    focus(page, "[name=text]")
    page.type("TIER gold")
    assert shown(page) == 0
    assert page.run("!document.getElementById('none').hidden")
    focus(page, "button[type=reset]")
    page.press("Enter")
    page.settle()
    assert shown(page) == 60
    focus(page, "[name=text]")
    page.type("fraud tier")
    assert shown(page) == sum("fraud" in one.owner and "tier" in one.feature for one in of.features) > 0
    focus(page, "button[type=reset]")
    page.press(" ")
    page.settle()
    focus(page, "[name=verdict][value=fail]")
    page.press(" ")
    assert shown(page) == sum(one.verdict.value != "fail" for one in of.features) > 0
    page.press(" ")
    assert shown(page) == 60


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("owner", "growth@example.com", lambda one: one.owner == "growth@example.com"),
        ("owner", "(none)", lambda one: not one.owner),
        ("service", "churn_weekly", lambda one: "churn_weekly" in one.services),
        ("cause", "scale", lambda one: "scale" in {cause.code for cause in one.causes}),
    ],
)
def test_choices(opened: Open, field: str, value: str, fits: Callable[[Any], bool]) -> None:
    of = synthetic(60)
    page = opened(of)
    focus(page, f"[name={field}]")
    # A closed list takes what is typed on it.
    page.type(value[:6])
    assert page.run("document.activeElement.selectedOptions[0].textContent") == value
    assert shown(page) == sum(map(fits, of.features)) > 0
    assert page.run("document.getElementById('shown').textContent").endswith("of 60 features shown")


def test_what_is_opened_at_once_is_what_fits(opened: Open) -> None:
    page = opened(synthetic(60))
    focus(page, "[name=text]")
    page.type("balance")
    focus(page, "#open")
    page.press("Enter")
    page.settle()
    assert page.run("document.querySelectorAll('.feature[open]').length") == shown(page) == 5
    focus(page, "#close")
    page.press("Enter")
    assert page.run("document.querySelectorAll('.feature[open]').length") == 0


def test_an_address_leads_to_a_feature(opened: Open) -> None:
    page = opened(synthetic(60))
    page.run("location.hash = encodeURIComponent('customer_stats_3:tier_40')")
    page.until(lambda: page.run("document.querySelectorAll('.charts figure').length") > 0)
    assert page.run("document.activeElement.parentElement.dataset.name") == "customer_stats_3:tier_40"
    page.run("location.hash = '%'")
    page.run("location.hash = '#number-psi'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(opened: Open, scheme: str) -> None:
    page = opened(synthetic(KINDS))
    page.scheme(scheme)
    open_all(page)
    found = page.run(CONTRAST)
    assert found["poor"] == []
    assert found["texts"] > 1_000
    assert found["shapes"] > 300
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_is_scrolled_sideways(opened: Open, width: int) -> None:
    page = opened(synthetic(KINDS))
    page.size(width, PHONE[1], phone=width < 500)
    open_all(page)
    assert page.run("document.documentElement.scrollWidth") == width
    page = opened(hostile())
    open_all(page)
    assert page.run("document.documentElement.scrollWidth") == width


def test_what_is_touched_is_large_enough(opened: Open) -> None:
    page = opened(synthetic(5))
    page.size(*PHONE, phone=True)
    page.settle()
    sizes = page.run(
        "[...document.querySelectorAll('button, select, input[type=search], .choice, summary')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 24


def test_it_prints_with_the_charts_of_what_is_open(opened: Open) -> None:
    page = opened(synthetic(50))
    closed = page.pdf()
    assert closed.startswith(b"%PDF-")
    page.run("document.querySelectorAll('.feature')[3].open = true")
    assert len(page.pdf()) > len(closed)
    assert page.run("document.querySelectorAll('.feature')[3].querySelectorAll('.charts figure').length") == len(CHARTS)


def test_without_scripts_every_text_can_be_read(opened: Open) -> None:
    """With scripts the same page shows the same texts, beside those of the charts."""
    of = synthetic(KINDS)
    page = opened(of)
    open_all(page)
    reading = "[...document.querySelectorAll('.body')].map(b => { const c = b.cloneNode(true); c.querySelectorAll('.charts, .metrics .text').forEach(e => e.remove()); return c.textContent; })"
    with_scripts = page.run(reading)
    page.scripts(off=True)
    page = opened(of)
    bodies = page.run(reading)
    assert bodies == with_scripts
    assert len(bodies) == KINDS
    assert page.run("document.getElementById('filters').hidden")
    page.run("document.querySelectorAll('.feature').forEach(f => f.open = true)")
    assert page.run(
        "[...document.querySelectorAll('.body')].every(b => b.checkVisibility() && b.getBoundingClientRect().height > 300)"
    )
    assert "need JavaScript" in page.run("document.querySelector('#features ~ noscript').textContent")


@pytest.mark.parametrize("scripts", [True, False])
def test_hostile_texts_do_nothing(opened: Open, scripts: bool) -> None:
    of = hostile()
    page = opened(of)
    if not scripts:
        page.scripts(off=True)
        page = opened(of)
    else:
        open_all(page)
        page.run(
            "document.querySelectorAll('select, input').forEach(e => e.dispatchEvent(new Event('input', {bubbles: true})))"
        )
    assert page.run("document.querySelectorAll('.body').length") == len(of.features)
    assert page.run("window.hacked === undefined")
    assert page.run("document.querySelectorAll('img, iframe, body style, [onload], [onerror], [onfocus]').length") == 0
    assert page.run("document.querySelectorAll('script').length") == 3
    assert page.run("[...document.querySelectorAll('a')].every(a => a.protocol === 'file:' || a.protocol === 'https:')")
    assert page.run("document.body.textContent.includes('<img src=x onerror=window.hacked=1>')")
    assert page.run("!/[\\u0000-\\u0008\\u001b\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.textContent)")


def test_the_policy_stops_what_would_come_in(chromium_browser: Browser, tmp_path: Path) -> None:
    """Were a text not escaped, the browser would still run none of it: a second wall."""
    file = tmp_path / "report.html"
    file.write_text(
        render(report()).replace(
            "<main>", "<main><img src=https://example.com/x onerror=window.hacked=1><script>window.hacked=1</script>", 1
        )
    )
    with chromium_browser.page() as page:
        page.open(file.as_uri())
        assert page.run("window.hacked === undefined")
        assert page.run(
            "(() => { try { document.body.innerHTML = '<b>x</b>'; return false } catch { return true } })()"
        )
        assert any("Content Security Policy" in trouble for trouble in page.troubles())
