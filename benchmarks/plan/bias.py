"""How far each approach errs on sweeps from known laws: narrow, wide, off-centre and drifting grids of equal cost.

Four laws, five budgets from 10¹⁸ to 10²⁰ FLOPs, nine sizes each, in equal steps of log N about the true optimum (wide:
from a sixteenth of it to sixteen times; narrow: from half to twice; off-centre: from a quarter to four times, all times
three; drifting: the same times a third at the smallest budget, and times three at the largest; arXiv 2603.22339 does
likewise), log losses with normal noise. Asked is log N* at the largest budget and at ten times that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.plan.options import Options
from benchmarks.report import tabulated
from benchmarks.workers import side_by_side
from flpjax import Runs, plan
from flpjax.ladder.build import build_runs

REPLICATES = 300
BUDGETS = np.geomspace(1e18, 1e20, 5)
SIZES = 9
NOISES = (0.002, 0.01)
TIMES = (1.0, 10.0)  # the largest budget
DRAWS = 200
LEVEL = 0.9
UNSEEN = 22339  # of all seeds here: the blend's constants were chosen on sweeps with others
APPROACHES = ("law", "parabolas", "parabolas, corrected", "blend")
ALLOWED = (0.85, 0.95)  # coverage of 90 % intervals that the issue asks for
WITHIN = 1.1  # times the best single approach's error, that of the blend

Floats = NDArray[np.float64]


class Truth(NamedTuple):
    """``E + A/N^α + B/D^β``."""

    A: float
    B: float
    E: float
    alpha: float
    beta: float

    def loss(self, params: Floats, tokens: Floats) -> Floats:
        """Losses of any shape."""
        return np.asarray(self.E + self.A / params**self.alpha + self.B / tokens**self.beta)

    def optimum(self, flops: float) -> float:
        """N* at ``6·N·D = C`` (Hoffmann et al. 2022, eq. 4)."""
        scale = (self.alpha * self.A / (self.beta * self.B)) ** (1.0 / (self.alpha + self.beta))
        return float(scale * (flops / 6.0) ** (self.beta / (self.alpha + self.beta)))


LAWS = {
    "Hoffmann et al. 2022": Truth(406.4, 410.7, 1.69, 0.34, 0.28),
    "Besiroglu et al. 2024": Truth(482.01, 2085.43, 1.81686, 0.34781, 0.36585),
    "Muennighoff et al. 2023": Truth(521.0, 1488.0, 1.87, 0.353, 0.353),
    "lopsided": Truth(4000.0, 30.0, 1.7, 0.465, 0.155),  # exponents of arXiv 2603.22339, N* of 1e9 at 1e20 FLOPs
}
DESIGNS = {  # log of: half the range of N, the grid's centre at the smallest budget, at the largest
    "narrow": (np.log(2.0), 0.0, 0.0),
    "wide": (np.log(16.0), 0.0, 0.0),
    "off-centre": (np.log(4.0), np.log(3.0), np.log(3.0)),
    "drifting": (np.log(4.0), -np.log(3.0), np.log(3.0)),
}


class Task(NamedTuple):
    """One simulated sweep."""

    design: str
    noise: float
    replicate: int
    seed: int


def measure(options: Options) -> dict[str, Any]:
    """Design → noise → times the largest budget → approach → bias, error, coverage; and the blend against the best."""
    count = options.replicates or REPLICATES
    todo = [Task(d, n, i, options.seed) for d in DESIGNS for n in NOISES for i in range(count)]
    found: dict[Task, Floats] = dict(side_by_side(simulated, todo, options.workers))
    figures: dict[str, Any] = {"replicates": count, "level": LEVEL, "designs": {}}
    for design in DESIGNS:
        figures["designs"][design] = {}
        for noise in NOISES:
            each = np.stack([found[t] for t in todo if (t.design, t.noise) == (design, noise)])
            by_times = {f"{times:g}": _summary(each[:, k]) for k, times in enumerate(TIMES)}
            figures["designs"][design][f"{noise:g}"] = by_times
    cells = [cell for noises in figures["designs"].values() for times in noises.values() for cell in times.values()]
    covered = [cell["approaches"]["blend"]["covered"] for cell in cells]
    figures["covered"] = {"least": min(covered), "most": max(covered), "mean": float(np.mean(covered))}
    figures["blend_over_best"] = max(cell["blend_over_best"] for cell in cells)
    figures["as_asked"] = bool(
        min(covered) >= ALLOWED[0] and max(covered) <= ALLOWED[1] and figures["blend_over_best"] <= WITHIN
    )
    return figures


def sweep(truth: Truth, task: Task) -> Runs:
    """A simulated sweep."""
    half, first, last = DESIGNS[task.design]
    rng = np.random.default_rng([UNSEEN, task.seed, task.replicate, list(DESIGNS).index(task.design)])
    centres = [np.log(truth.optimum(c)) for c in BUDGETS] + np.linspace(first, last, len(BUDGETS))
    params = np.exp(centres[:, None] + np.linspace(-half, half, SIZES)[None, :]).ravel()
    tokens = np.repeat(BUDGETS, SIZES) / 6.0 / params
    loss = truth.loss(params, tokens) * np.exp(task.noise * rng.standard_normal(len(params)))
    names = np.array([f"run {i}" for i in range(len(params))], object)
    return build_runs({"run": names, "params": params, "tokens": tokens, "loss/loss": loss}, source=task.design)


def simulated(task: Task) -> tuple[Task, Floats]:
    """``(times, approach, 3)``: error of the median log N*, whether its interval holds the truth, and its width."""
    truth = list(LAWS.values())[task.replicate % len(LAWS)]
    budgets = [float(times * BUDGETS[-1]) for times in TIMES]
    key = jax.random.key(task.seed * 100_003 + task.replicate)
    found = plan(sweep(truth, task), budgets, key, draws=DRAWS, level=LEVEL, compare=False)
    by_name = {approach.name: approach for approach in found.approaches}
    rows = np.full((len(TIMES), len(APPROACHES), 3), np.nan)
    for j, name in enumerate(APPROACHES):
        if name not in by_name:
            continue
        for k, interval in enumerate(by_name[name].params(LEVEL)):
            if interval is not None:
                true = truth.optimum(budgets[k])
                held = interval.lower <= true <= interval.upper
                wide = np.log(interval.upper / interval.lower)
                rows[k, j] = np.log(interval.median / true), held, wide
    return task, rows


def _summary(each: Floats) -> dict[str, Any]:
    """Of sweeps ``(sweep, approach, 3)``."""
    approaches = {}
    for j, name in enumerate(APPROACHES):
        there = each[np.isfinite(each[:, j, 0]), j]
        if len(there):
            approaches[name] = {
                "bias": float(there[:, 0].mean()),
                "rms": float(np.sqrt((there[:, 0] ** 2).mean())),
                "covered": float(there[:, 1].mean()),
                "width": float(np.median(there[:, 2])),
                "failed": float(1.0 - len(there) / len(each)),
            }
    single = min(r["rms"] for name, r in approaches.items() if name != "blend" and r["failed"] == 0.0)
    return {"approaches": approaches, "blend_over_best": approaches["blend"]["rms"] / single}


def show(figures: dict[str, Any]) -> str:
    """As a table."""
    rows = []
    for design, noises in figures["designs"].items():
        for noise, by_times in noises.items():
            for times, cell in by_times.items():
                rows += [
                    (
                        f"{design}, {100 * float(noise):g} %, {times} ×", name, f"{r['bias']:+.3f}", f"{r['rms']:.3f}",
                        f"{100 * r['covered']:.0f}", f"{r['width']:.2f}",
                    )
                    for name, r in cell["approaches"].items()
                ]  # fmt: skip
    return tabulated(
        f"Error of log N*, {figures['replicates']} sweeps a design",
        ("design, noise, budget", "approach", "bias", "rms", "held, %", "width"),
        rows,
        f"Blend: {100 * figures['level']:g} % intervals hold {100 * figures['covered']['least']:.0f} to "
        f"{100 * figures['covered']['most']:.0f} %; "
        f"its error is at most {figures['blend_over_best']:.2f} times that of the best single approach.",
    )
