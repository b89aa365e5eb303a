"""Whether the tests and bounds behind the verdicts keep their promises, by simulation; writes the tables of docs/coverage.md."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from feast_skew.judging.limits import Share
from feast_skew.statistics.binning import numeric_bins
from feast_skew.statistics.inference.bounds import (
    Interval,
    mean_bounds,
    null_rate_bounds,
    psi_bounds,
    variance_ratio_bounds,
)
from feast_skew.statistics.inference.exchange import exchange_p_value, null_rate_p_value, variance_p_value
from feast_skew.statistics.inference.homogeneity import stuart_maxwell
from feast_skew.statistics.inference.randomised import psi_p_value
from feast_skew.statistics.multiplicity import benjamini_hochberg
from feast_skew.statistics.power import operating_point
from feast_skew.statistics.psi import independent_psi, paired_psi, psi_of_table
from feast_skew.statistics.rates import rate_bounds

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "coverage.md"
ALPHA = 0.05
Rng = np.random.Generator
Law = Callable[[Rng, int], np.ndarray]

LAWS: dict[str, Law] = {
    "normal": lambda r, n: r.normal(size=n),
    "uniform": lambda r, n: r.uniform(-1.0, 1.0, n),
    "Laplace": lambda r, n: r.laplace(size=n),
    "exponential": lambda r, n: r.exponential(size=n),
    "lognormal": lambda r, n: r.lognormal(size=n),
    "t, 3 degrees": lambda r, n: r.standard_t(3, n),
    "50 % zeros, exponential": lambda r, n: r.exponential(size=n) * (r.random(n) < 0.5),
    "90 % zeros, normal": lambda r, n: r.normal(size=n) * (r.random(n) < 0.1),
    "99 % zeros, exponential": lambda r, n: r.exponential(size=n) * (r.random(n) < 0.01),
    "99.9 % zeros, exponential": lambda r, n: r.exponential(size=n) * (r.random(n) < 0.001),
    "99.9 % fives, the rest more": lambda r, n: 5.0 + r.exponential(size=n) * (r.random(n) < 0.001),
}
OUTSIDE: dict[str, Law] = {"Pareto, 2.5 (no third moment)": lambda r, n: r.pareto(2.5, n)}
NOISE: dict[str, Law] = {
    "normal": LAWS["normal"],
    "t, 3 degrees": LAWS["t, 3 degrees"],
    "Cauchy": lambda r, n: r.standard_cauchy(n),
    "in 10 % of the rows": lambda r, n: r.normal(size=n) * (r.random(n) < 0.1),
    "in 1 % of the rows": lambda r, n: r.normal(size=n) * (r.random(n) < 0.01),
}


def exchangeable(random: Rng, law: Law, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs whose two sides might as well be exchanged: one value and noise, on a side that a coin chooses."""
    values, noise = random.normal(size=n), 0.3 * law(random, n)
    first = random.random(n) < 0.5
    return values + np.where(first, noise, 0.0), values + np.where(first, 0.0, noise)


def paired_table(offline: np.ndarray, online: np.ndarray) -> np.ndarray:
    """Count pairs by deciles of the offline side."""
    bins = numeric_bins(offline)
    flat = np.bincount(bins.assign(offline) * bins.size + bins.assign(online), minlength=bins.size**2)
    return flat.reshape(bins.size, bins.size)


def sizes(random: Rng, runs: dict[int, int]) -> Iterator[list[str]]:
    """Give the shares of runs that reject at 0.05 though the sides are exchangeable."""
    for name, law in NOISE.items():
        for n, repeats in runs.items():
            rejected = dict.fromkeys(("mean", "variance", "psi", "homogeneity", "trusted"), 0)
            for _ in range(repeats):
                x, y = exchangeable(random, law, n)
                difference = y - x
                rejected["mean"] += exchange_p_value(difference.sum(), difference @ difference) <= ALPHA
                rejected["variance"] += (variance_p_value(x, y) or 1.0) <= ALPHA
                table = paired_table(x, y)
                rejected["psi"] += (psi_p_value(table, seed=int(random.integers(2**31)), draws=500) or 1.0) <= ALPHA
                found = stuart_maxwell(table)
                if found is not None and found.p_value is not None:
                    rejected["trusted"] += 1
                    rejected["homogeneity"] += found.p_value <= ALPHA
            nulls = random.binomial(random.binomial(n, 0.05, repeats), 0.5), random.binomial(n, 0.05, repeats)
            flips = random.binomial(nulls[1], 0.5)
            null = np.mean(
                [null_rate_p_value(int(k), int(m - k)) <= ALPHA for k, m in zip(flips, nulls[1], strict=True)]
            )
            trusted = rejected["trusted"]
            homogeneity = f"{rejected['homogeneity'] / trusted:.3f}" if trusted > repeats / 10 else "withheld"
            shares = [f"{rejected[test] / repeats:.3f}" for test in ("mean", "variance", "psi")]
            yield [name, f"{n:,}", f"{repeats:,}", *shares, f"{null:.3f}", homogeneity]


class Misses:
    """Counts of bounds that were given and wrong, and of how they came about."""

    def __init__(self) -> None:
        self.low = self.high = self.both = self.none = self.runs = self.range = 0

    def add(self, truth: float, single: Interval | None, double: Interval | None) -> None:
        """Hold one run against the truth; `single` at 0.95 a side, `double` at 0.975."""
        self.runs += 1
        if single is None or double is None:
            self.none += 1
            return
        room = 1e-9 * max(1.0, abs(truth))
        self.range += single.method == "range"
        self.low += single.low > truth + room
        self.high += single.high < truth - room
        self.both += double.low > truth + room or double.high < truth - room

    def row(self) -> list[str]:
        """Give coverages, and the shares of runs bounded by the range or not at all; a star marks less than 94.5 %, beyond doubt."""
        cells = []
        for wrong in (self.low, self.high, self.both):
            share = wrong / self.runs
            doubt = 3.29 * math.sqrt(max(share, 1.0 / self.runs) * (1.0 - share) / self.runs)
            cells.append(f"{1 - share:.3f}{' *' if share - doubt > 0.055 else ''}")
        return [*cells, f"{self.range / self.runs:.0%}", f"{self.none / self.runs:.0%}"]


def coverages(random: Rng, runs: dict[int, int], laws: dict[str, Law]) -> Iterator[list[str]]:
    """Give the coverage of the bounds of mean difference and variance ratio in samples of a tenth of a finite population."""
    for name, law in laws.items():
        for n, repeats in runs.items():
            mean, variance = Misses(), Misses()
            population = 10 * n
            for _ in range(repeats):
                x, d = random.normal(size=population), law(random, population)
                y = x + d
                off, on, part = x[:n], y[:n], d[:n]
                span = float(max(off.max(), on.max()) - min(off.min(), on.min()))
                known = {"differing": int(np.count_nonzero(part)), "span": span}
                value = float(part.mean())
                found = [mean_bounds(part, value, n, level, population, **known) for level in (0.95, 0.975)]
                mean.add(float(d.mean()), *found)
                ratio = float(on.var() / off.var())
                found = [
                    variance_ratio_bounds(off, on, ratio, n, level, population, **known) for level in (0.95, 0.975)
                ]
                variance.add(float(y.var() / x.var()), *found)
            yield [name, f"{n:,}", f"{repeats:,}", *mean.row()[:4], *variance.row()]


def other_coverages(random: Rng, runs: dict[int, int]) -> Iterator[list[str]]:
    """Give the coverage of the bounds of null rates and of PSI."""
    for n, repeats in runs.items():
        population = 10 * n
        for share in (0.0, 0.001, 0.02):
            nulls, psi = Misses(), Misses()
            for _ in range(repeats):
                wrong = [round(population * share), round(population * share / 2)]
                drawn = random.multivariate_hypergeometric([*wrong, population - sum(wrong)], n)
                truth = (wrong[1] - wrong[0]) / population
                bounds = [
                    null_rate_bounds(n, int(drawn[0]), int(drawn[1]), level, population) for level in (0.95, 0.975)
                ]
                nulls.add(truth, *bounds)
                x = random.normal(size=population)
                moved = random.random(population) < 5 * share
                table = paired_table(x, np.where(moved, x + 0.7, x))
                part = random.multivariate_hypergeometric(table.ravel(), n, method="marginals").reshape(table.shape)
                whole = psi_of_table(table, 0.0)
                if whole is not None:
                    psi.add(whole.value, *(psi_bounds(part, level, population) for level in (0.95, 0.975)))
            yield [f"{share:.1%}", f"{n:,}", f"{repeats:,}", *nulls.row()[:3], *psi.row()[:3]]


def exact_rates() -> Iterator[list[str]]:
    """Give the least coverage of the bounds of a rate over all possible numbers of wrong entities: computed, not simulated."""
    from scipy.stats import hypergeom

    for population, n in ((200, 50), (2_000, 200), (20_000, 1_000)):
        found = {}
        tried = range(population + 1) if population <= 2_000 else range(0, population + 1, 50)
        bounds = [rate_bounds(k, n, population, 0.95) for k in range(n + 1)]
        highs = np.array([math.inf if b is None else b.high for b in bounds])
        lows = np.array([-math.inf if b is None else b.low for b in bounds])
        for wrong in tried:
            mass = hypergeom(population, wrong, n).pmf(np.arange(n + 1))
            rate = wrong / population
            found[wrong] = (mass[lows <= rate + 1e-12].sum(), mass[highs >= rate - 1e-12].sum())
        least = np.min(np.array(list(found.values())), axis=0)
        yield [f"{n:,} of {population:,}", f"{least[0]:.4f}", f"{least[1]:.4f}"]


def alarms(random: Rng, runs: int, features: int = 300) -> Iterator[list[str]]:
    """Give the share of runs over many features in which any feature alarms."""
    n, population = 10_000, 100_000
    cache: dict[int, float] = {}

    def share_p(wrong: int) -> float:
        if wrong not in cache:
            cache[wrong] = Share(wrong, n, population, 0.001).p_value
        return cache[wrong]

    for name, truth in (("all pairs equal", 0), ("mismatch exactly at the budget", population // 1000)):
        drawn = (
            random.hypergeometric(truth, population - truth, n, (runs, features))
            if truth
            else np.zeros((runs, features), int)
        )
        hits = sum(min(benjamini_hochberg([share_p(int(k)) for k in row])) <= ALPHA for row in drawn)
        raw = sum(min(share_p(int(k)) for k in row) <= ALPHA for row in drawn)
        yield [name, f"{runs:,}", f"{features}", f"{hits / runs:.3f}", f"{raw / runs:.3f}"]
    hits = raw = 0
    for _ in range(runs):
        noise = random.normal(size=(features, 500))
        found = [exchange_p_value(row.sum(), row @ row) for row in noise]
        hits, raw = hits + (min(benjamini_hochberg(found)) <= ALPHA), raw + (min(found) <= ALPHA)
    yield ["`mean: auto`, symmetric noise", f"{runs:,}", f"{features}", f"{hits / runs:.3f}", f"{raw / runs:.3f}"]
    few, count, hits, raw = max(20, runs // 4), 100, 0, 0
    for _ in range(few):
        tables = [paired_table(*exchangeable(random, NOISE["normal"], 500)) for _ in range(count)]
        found = [psi_p_value(table, int(random.integers(2**31))) or 1.0 for table in tables]
        hits, raw = hits + (min(benjamini_hochberg(found)) <= ALPHA), raw + (min(found) <= ALPHA)
    yield ["`psi: auto`, symmetric noise", f"{few:,}", f"{count}", f"{hits / few:.3f}", f"{raw / few:.3f}"]


def power(random: Rng, runs: int) -> Iterator[list[str]]:
    """Give the power against wrong rows (exact) and against a bias of 0.02 standard deviations."""
    for n in (1_000, 10_000, 100_000):
        cells = []
        for rate in (0.001, 0.01, 0.05):
            point = operating_point(round(10 * n * rate), 10 * n, n, 0.001, 0.95)
            cells.append(f"{point.fails:.2f} / {point.open:.2f} / {point.passes:.2f}")
        for spread in (0.1, 1.0):
            hits = 0
            for _ in range(max(20, runs if n < 100_000 else runs // 5)):
                d = 0.02 + spread * random.normal(size=n)
                hits += exchange_p_value(d.sum(), d @ d) <= ALPHA
            cells.append(f"{hits / max(20, runs if n < 100_000 else runs // 5):.2f}")
        x = random.normal(size=n)
        wrong = random.random(n) < 0.05
        bins = numeric_bins(x)
        five = paired_psi(bins.assign(x), bins.assign(np.where(wrong, random.normal(size=n), x)), bins.size)
        biased = paired_psi(bins.assign(x), bins.assign(x + 0.02), bins.size)
        cells += [f"{five.value:.5f}" if five else "", f"{biased.value:.5f}" if biased else ""]
        yield [f"{n:,}", *cells]


def null_psi(random: Rng, runs: int) -> Iterator[list[str]]:
    """Give how often PSI passes the usual thresholds for two independent samples of one law."""
    for n in (100, 200, 1_000, 10_000):
        found, noise = [], 0.0
        for _ in range(runs if n < 10_000 else runs // 10):
            x, y = random.normal(size=n), random.normal(size=n)
            bins = numeric_bins(x)
            one = independent_psi(*(np.bincount(bins.assign(side), minlength=bins.size) for side in (x, y)))
            if one is not None:
                found.append(one.value)
                noise = one.noise
        values = np.array(found)
        yield [
            f"{n:,}",
            f"{values.mean():.4f}",
            f"{noise:.4f}",
            f"{np.mean(values > 0.1):.1%}",
            f"{np.mean(values > 0.2):.1%}",
        ]


def tables(quick: bool, seed: int = 0) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Compute every table by its name: heads and rows of text."""
    random = np.random.default_rng(seed)
    small = {100: 200, 1_000: 50}
    test_runs = small if quick else {100: 4_000, 1_000: 2_000, 10_000: 600}
    bound_runs = small if quick else {100: 6_000, 1_000: 4_000, 10_000: 1_000}
    other_runs = {100: 60} if quick else {100: 3_000, 1_000: 2_000}
    laws = dict(list(LAWS.items())[::3]) if quick else LAWS
    return {
        "sizes": (
            ["noise", "n", "runs", "mean", "variance", "PSI", "null rate", "Stuart-Maxwell"],
            list(sizes(random, test_runs)),
        ),
        "bounds": (
            [
                "differences", "n", "runs", "mean: low", "high", "both, 95 %", "by range",
                "variance: low", "high", "both, 95 %", "by range", "none",
            ],
            list(coverages(random, bound_runs, laws)),
        ),
        "outside": (
            [
                "differences", "n", "runs", "mean: low", "high", "both, 95 %", "by range",
                "variance: low", "high", "both, 95 %", "by range", "none",
            ],
            [] if quick else list(coverages(random, {1_000: 4_000, 10_000: 500}, OUTSIDE)),
        ),
        "others": (
            ["wrong", "n", "runs", "null rate: low", "high", "both, 95 %", "PSI: low", "high", "both, 95 %"],
            list(other_coverages(random, other_runs)),
        ),
        "rates": (["sample", "least coverage, low", "high"], list(exact_rates()) if not quick else []),
        "alarms": (
            ["truth", "runs", "features", "runs with an alarm", "without the adjustment"],
            list(alarms(random, 20 if quick else 1_000, 50 if quick else 300)),
        ),
        "power": (
            [
                "n", "0.1 % wrong: fail / open / pass", "1 % wrong", "5 % wrong", "bias 0.02 sd, noise 0.1 sd",
                "bias 0.02 sd, noise 1 sd", "PSI at 5 % wrong", "PSI at that bias",
            ],
            list(power(random, 50 if quick else 1_000)),
        ),
        "psi": (
            ["n", "mean PSI", "noise", "beyond 0.1", "beyond 0.2"],
            list(null_psi(random, 200 if quick else 5_000)),
        ),
    }  # fmt: skip


def main() -> None:
    """Print the tables, and write them into the document when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few runs each, to see that it works")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/coverage.md")
    chosen = parser.parse_args()
    from tables import show  # the tests load the simulation alone, from another folder

    begin = time.monotonic()
    show(tables(chosen.quick), DOCUMENT, write=chosen.write)
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
