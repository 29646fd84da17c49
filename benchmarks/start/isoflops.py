"""Point fits of Chinchilla's law to five isoFLOP experiments in one process, and how long they take.

``python -m benchmarks.start.isoflops``. It needs ``isoflops/isoflops.csv`` in the folder that FLPJAX_DATA names, or
five sets of the same sizes are made from a known law.
"""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZES = {"ml_scalefit": 124, "epochai_chinchilla": 123, "comma": 85, "dclm": 85, "nemotron": 88}
"""Points of each experiment, as Open-Athena's scaling-law-analysis has them."""
Sets = dict[str, dict[str, NDArray[np.float64]]]


def isoflops() -> Sets:
    """Experiment → N, D and the loss of its points."""
    file = Path(os.environ.get("FLPJAX_DATA", "")) / "isoflops/isoflops.csv"
    if not file.exists():
        return {name: _made(size, seed) for seed, (name, size) in enumerate(SIZES.items())}
    found: dict[str, list[dict[str, str]]] = {}
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["experiment"], []).append(row)
    return {
        name: {column: np.array([float(row[column]) for row in rows]) for column in ("params", "tokens", "loss")}
        for name, rows in found.items()
    }


def _made(size: int, seed: int) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    budget = 10.0 ** rng.choice(np.arange(18.0, 21.5, 0.5), size)
    params = np.sqrt(budget / 120.0) * np.exp(rng.uniform(-1.5, 1.5, size))
    tokens = budget / (6.0 * params)
    loss = (1.8 + 482.0 / params**0.348 + 2085.0 / tokens**0.366) * np.exp(0.003 * rng.standard_normal(size))
    return {"params": params, "tokens": tokens, "loss": loss}


def main() -> None:
    """Fit all, print constants and seconds: of the fits, after JAX has started."""
    from flpjax.cli.start import start_jax

    start_jax()
    from flpjax import method, point
    from flpjax.ladder.build import build_runs
    from flpjax.numerics import random_key  # which the command line uses, too: JAX's compiles a program

    key, chosen = random_key(0), method("chinchilla+sigmoid")
    begun = time.perf_counter()
    for name, points in isoflops().items():
        rows = [f"{name} {i}" for i in range(len(points["loss"]))]
        columns = {"run": np.array(rows, object), "loss/all": points["loss"]}
        fitted = point(chosen, build_runs(columns | {n: points[n] for n in ("params", "tokens")}), key)
        report = fitted.fits["loss"]
        print(name, {symbol: float(f"{np.ravel(value)[0]:.6g}") for symbol, value in report.constants.items()})
    print(f"five fits: {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
