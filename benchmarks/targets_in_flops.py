"""Targets given by FLOPs alone: how often 90 % intervals hold a run whose N and D nobody told.

``python -m benchmarks.targets_in_flops [LADDERS]`` simulates ladders of a known law in N and D (Hoffmann et al. 2022,
approach 3), whose sizes scatter about a path of their own, and asks ``auto`` for targets at 5 × and 20 × the largest C.
The truth is what a run of that C measures whose N scatters about the path as the ladder's do.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.auto import auto
from flpjax.ladder.build import build_runs
from flpjax.ladder.table import Runs
from flpjax.methods.registry import Auto
from flpjax.results.forecast import forecast
from flpjax.results.target import Target

E, A, B, ALPHA, BETA = 1.69, 406.4, 410.7, 0.34, 0.28
RUNS, NOISE, PATH_SCATTER = 8, 0.003, 0.15  # runs; s.d. of a log loss; s.d. of log N about the path
LEAST, MOST = 3e17, 1.2e21  # FLOPs of the ladder
BEYOND = (5.0, 20.0)


def simulate(seed: int) -> tuple[Runs, NDArray[np.float64]]:
    """A ladder and the losses ``(target,)`` that runs at :data:`BEYOND` times its largest C measure."""
    rng = np.random.default_rng([14, seed])
    flops = np.r_[np.exp(np.linspace(np.log(LEAST), np.log(MOST), RUNS)), MOST * np.array(BEYOND)]
    slope, level = rng.uniform(0.45, 0.55), rng.uniform(0.7, 1.4)
    params = level * 1e8 * (flops / 1e19) ** slope * np.exp(PATH_SCATTER * rng.standard_normal(len(flops)))
    tokens = flops / (6.0 * params)
    loss = (E + A * params**-ALPHA + B * tokens**-BETA) * np.exp(NOISE * rng.standard_normal(len(flops)))
    names = np.array([f"r{i}" for i in range(RUNS)], object)
    columns = {"run": names, "params": params[:RUNS], "tokens": tokens[:RUNS], "loss/text": loss[:RUNS]}
    return build_runs(columns, source=f"ladder {seed}"), loss[RUNS:]


def held(seed: int, methods: Auto | None = None, draws: int = 400) -> NDArray[np.bool_]:
    """``(target,)`` whether the intervals of one ladder's targets hold what runs there measure."""
    runs, truth = simulate(seed)
    fitted = auto(runs, jax.random.key(seed), draws=draws, methods=methods)
    targets = [Target(f"{times:g}x", flops=float(times * runs.flops.max())) for times in BEYOND]
    made = forecast(fitted, targets)
    return np.array([v["text"].lower <= t <= v["text"].upper for v, t in zip(made.loss, truth, strict=True)])


def main(ladders: int) -> None:
    """Print how many intervals hold."""
    each = np.array([held(seed) for seed in range(ladders)])
    for times, share in zip(BEYOND, each.T, strict=True):
        print(f"{times:g} × the largest run, C alone: {share.sum()} of {ladders} 90 % intervals hold")


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
