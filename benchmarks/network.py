"""The posterior of FLP-M's network: whether its intervals hold what runs reach that no fit saw, beside the bootstrap's.

``python -m benchmarks.network --json FILE [--seeds 60] [--first 0] [--together 60] [--workers N]
[--only simulated|held-out|time]``.
Simulated: the paper's ladder of mixtures, whose truth is known and is no network; all ladders are sampled in one go.
Held out: the larger runs of our own ladder. Time: a posterior of 6 tasks, with nothing compiled, and again. Posteriors
run on whatever JAX finds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.mixtures.held_out import grid
from benchmarks.report import environment, finish, parser, percent, show
from benchmarks.workers import side_by_side
from flpjax import Runs, bootstrap, method, posterior, simulate_mixtures
from flpjax.datasets import ladder
from flpjax.fitting.draws import Draws
from flpjax.fitting.posterior.networks import of_networks
from flpjax.results.backtest import record_of

SIMULATED, OWN = "m3+network", "m4-floor+network"  # the paper's law needs a floor where runs have no code
DRAWS = 100  # of the bootstrap, each of which is trained
SIZES = ("8.8M", "19M")
PARTS = ("simulated", "held-out", "time")


def figures_of(draws: Draws, runs: Runs, pattern: str = "") -> dict[str, Any]:
    """Errors, coverage and width of 90 % intervals of held-out scores and losses, of targets of one size."""
    record = record_of(draws, runs)
    found: dict[str, Any] = {}
    for what, cells in (("scores", record.scores), ("losses", record.losses)):
        own = [c for c in cells if c.target.startswith(pattern)]
        found[what] = {
            "error": float(np.mean([abs(c.rel_error) for c in own if c.actual])),
            "held": float(np.mean([c.covered for c in own])),
            "width": float(np.mean([c.upper - c.lower for c in own])),
            "cells": len(own),
        }
    return found


def convergence_of(draws: Draws) -> dict[str, Any]:
    """The largest R-hat and the least ESS of forecasts, and how many populations a chain took."""
    assert draws.sampling is not None
    forecasts = draws.sampling.forecasts
    rhat, ess = float(np.max(forecasts.rhat)), float(np.min(forecasts.ess))
    return {"rhat": rhat, "ess": ess, "rounds": int(draws.sampling.steps.max())}


def simulated(seeds: Sequence[int], workers: int) -> list[dict[str, Any]]:
    """Ladders: their posteriors in one go, converged or not, and each one's bootstrap, on the same held-out runs.

    Bootstraps are trained by processes of their own, on the CPU, while the posteriors are sampled.
    """
    ladders = {str(seed): simulate_mixtures(seed).runs for seed in seeds}
    begun = time.perf_counter()

    def told(what: str) -> None:
        print(f"{time.perf_counter() - begun:.0f} s: {what}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(1) as beside:
        training = beside.submit(lambda: dict(side_by_side(resampled, seeds, workers))) if workers > 1 else None
        key = jax.random.key(seeds[0])
        drawn = of_networks(method(SIMULATED), ladders, key, draws=2000, chains=4, strict=False, progress=told)
        seconds = time.perf_counter() - begun
        told("posteriors")
        by_bootstrap = training.result() if training else dict(map(resampled, seeds))
    found = []
    for seed in seeds:
        draws = drawn[str(seed)]
        assert not isinstance(draws, str), draws
        found.append(
            {
                "seed": seed,
                "seconds": seconds / len(seeds),
                "warnings": [w for w in draws.warnings if w.startswith("posterior")],
                **convergence_of(draws),
                "posterior": figures_of(draws, ladders[str(seed)]),
                "bootstrap": by_bootstrap[seed],
            }
        )
    return found


def resampled(seed: int) -> tuple[int, dict[str, Any]]:
    """The bootstrap of one simulated ladder."""
    runs = simulate_mixtures(seed).runs
    draws = bootstrap(method(SIMULATED), runs, jax.random.key(seed), draws=DRAWS, strict=False)
    return seed, figures_of(draws, runs)


def held_out(seed: int = 0) -> dict[str, Any]:
    """Our ladder's larger runs, of mixtures that were not proposed from the others."""
    runs = grid(ladder())
    begun = time.perf_counter()
    drawn = posterior(method(OWN), runs, jax.random.key(seed), strict=False)
    seconds = time.perf_counter() - begun
    resampled = bootstrap(method(OWN), runs, jax.random.key(seed), draws=DRAWS, strict=False)
    found: dict[str, Any] = {"seconds": seconds, **convergence_of(drawn), "warnings": list(drawn.warnings)}
    for name, draws in (("posterior", drawn), ("bootstrap", resampled)):
        found[name] = {size or "all": figures_of(draws, runs, size) for size in ("", *SIZES)}
    return found


def seconds() -> dict[str, float]:
    """Of one posterior of six tasks, first with what it compiles, then again."""
    runs = simulate_mixtures(1000).runs
    found = []
    for again in range(2):
        begun = time.perf_counter()
        posterior(method(SIMULATED), runs, jax.random.key(again), strict=False)
        found.append(time.perf_counter() - begun)
    return dict(zip(("first", "second"), found, strict=True))


def summary(ladders: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Over simulated ladders, each of which counts alike."""

    def mean(kind: str, what: str, figure: str) -> tuple[float, float]:
        each = [f[kind][what][figure] for f in ladders]
        return float(np.mean(each)), float(np.std(each) / np.sqrt(max(len(each) - 1, 1)))

    figures = {
        kind: {what: {n: mean(kind, what, n) for n in ("error", "held", "width")} for what in ("scores", "losses")}
        for kind in ("posterior", "bootstrap")
    }
    ratio = [f["posterior"]["scores"]["width"] / f["bootstrap"]["scores"]["width"] for f in ladders]
    return figures | {
        "ladders": len(ladders),
        "named": [f["seed"] for f in ladders if f["warnings"]],
        "width_ratio_of_scores": float(np.mean(ratio)),
        "max_rhat": max(f["rhat"] for f in ladders),
        "rhat_passed": float(np.mean([f["rhat"] < 1.01 for f in ladders])),
        "min_ess": min(f["ess"] for f in ladders),
        "ess_passed": float(np.mean([f["ess"] > 400 for f in ladders])),
        "seconds": float(np.sum([f["seconds"] for f in ladders])),
    }


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, default=60, help="simulated ladders (default: 60)")
    arguments.add_argument("--first", type=int, default=0, help="the first of their seeds (default: 0)")
    arguments.add_argument("--together", type=int, default=60, help="ladders of one go (default: 60)")
    arguments.add_argument(
        "--workers", type=int, default=1, help="processes that bootstrap, on the CPU (default: 1, this)"
    )
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts")
    given = arguments.parse_args()
    jax.config.update("jax_enable_x64", True)
    result = environment()
    if "time" in given.only:
        result["time"] = seconds()
        show(
            "Seconds of a posterior of FLP-M, 6 tasks",
            ("first", "second"),
            [[f"{v:.1f}" for v in result["time"].values()]],
        )
    if "held-out" in given.only:
        result["held_out"] = found = held_out()
        rows = [
            (
                f"{kind}, {size}",
                *(percent(of[w][n], 1) for w in ("scores", "losses") for n in ("error", "held", "width")),
            )
            for kind in ("posterior", "bootstrap")
            for size, of in found[kind].items()
        ]
        columns = ("error of scores", "in 90 %", "width", "error of losses", "in 90 %", "width")
        told = f"R-hat {found['rhat']:.4f}, ESS {found['ess']:.0f}, {found['seconds']:.0f} s"
        show(f"{OWN} on our ladder's held-out runs, %", ("", *columns), rows, told)
    if "simulated" in given.only:
        ladders = []
        todo = range(given.first, given.first + given.seeds)
        for begin in range(0, len(todo), given.together):
            ladders += simulated(todo[begin : begin + given.together], given.workers)
            for each in ladders[begin:]:
                print(_line(each), file=sys.stderr, flush=True)
            if given.json:  # what is done so far, should the rest be cut off
                Path(given.json).write_text(json.dumps(result | {"ladders": ladders}))
        result["simulated"] = of = summary(ladders)
        result["ladders"] = ladders
        rows = [
            (kind, *(f"{100 * v:.1f} ± {100 * e:.1f}" for w in ("scores", "losses") for v, e in of[kind][w].values()))
            for kind in ("posterior", "bootstrap")
        ]
        columns = ("error of scores", "in 90 %", "width", "error of losses", "in 90 %", "width")
        told = (
            f"Width of scores against the bootstrap's {of['width_ratio_of_scores']:.2f}; "
            f"R-hat up to {of['max_rhat']:.4f} (passed {of['rhat_passed']:.0%}), ESS from {of['min_ess']:.0f} "
            f"(passed {of['ess_passed']:.0%}); {of['seconds']:.0f} s for all; named as doubtful: {of['named']}"
        )
        show(f"{SIMULATED} on {len(ladders)} simulated ladders' held-out runs, %", ("", *columns), rows, told)
    finish(result, given.json)


def _line(found: dict[str, Any]) -> str:
    one, other = (found[kind]["scores"] for kind in ("posterior", "bootstrap"))
    return (
        f"seed {found['seed']}, R-hat {found['rhat']:.4f}, ESS {found['ess']:.0f}, "
        f"{found['rounds']} rounds, held {one['held']:.2f} ({other['held']:.2f}), width {one['width']:.3f} "
        f"({other['width']:.3f})"
    )


if __name__ == "__main__":
    main()
