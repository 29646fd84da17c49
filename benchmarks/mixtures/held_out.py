"""`mix` where it can be checked: our ladder's larger runs, by mixture, and rolling inside those that train."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

from benchmarks.report import percent, show
from flpjax import Runs
from flpjax.datasets import ladder
from flpjax.fitting.fit import fit, mixing_method
from flpjax.results.backtest import record_of

SIZE = "8.8M"
DRAWS = 200
RUNGS = ("0.16M", "0.44M", "0.8M", "1.6M", "2.7M", "4.8M")
FORECAST = 2  # of the last rungs, each from all smaller ones


def grid(runs: Runs) -> Runs:
    """Without the runs at mixtures that were proposed from the others."""
    return runs.without([name for name in runs.names if "-for-" in name])


def figures_of(runs: Runs, seed: int = 0) -> dict[str, Any]:
    """Errors and coverage of 90 % intervals on held-out runs, by mixture, of the draws that `mix` searches with."""
    begun = time.perf_counter()
    _, chosen = mixing_method("", DRAWS)
    record = record_of(fit(chosen, runs, jax.random.key(seed), draws=DRAWS), runs)
    cells = {"losses": record.losses, "scores": record.scores}
    names = sorted({c.target for found in cells.values() for c in found})
    by_run = {
        name: {
            what: {
                "error": float(np.mean([abs(c.rel_error) for c in found if c.target == name and c.actual])),
                "held": float(np.mean([c.covered for c in found if c.target == name])),
            }
            for what, found in cells.items()
        }
        for name in names
    }
    whole = {
        what: {
            "error": float(np.mean([abs(c.rel_error) for c in found if c.actual])),
            "held": float(np.mean([c.covered for c in found])),
            "width": float(np.mean([c.upper - c.lower for c in found])),
            "by_output": {
                n: float(np.mean([c.covered for c in found if c.name == n]))
                for n in dict.fromkeys(c.name for c in found)
            },
        }
        for what, found in cells.items()
    }
    return {"runs": by_run, "all": whole, "seconds": time.perf_counter() - begun}


def held_out(*, quick: bool = False) -> dict[str, Any]:
    """The held-out runs of 8.8M, from the 42 that train; what these figures are of is not looked at by any choice."""
    runs = grid(ladder())
    runs = runs.without([name for name in runs.targets().names if not name.startswith(SIZE)])
    found = figures_of(runs)
    _show(f"mix on the held-out runs of {SIZE}", found)
    return found


def rolling(*, quick: bool = False) -> dict[str, Any]:
    """The last rungs that train, each from all smaller ones: what laws, maps and constants were chosen on."""
    runs = grid(ladder()).training()
    found = {}
    for k in range(len(RUNGS) - FORECAST, len(RUNGS)):
        seen = runs.only([f"{rung}-*" for rung in RUNGS[: k + 1]])
        found[RUNGS[k]] = figures_of(seen.hold_out([f"{RUNGS[k]}-*"]))
        _show(f"mix on the runs of {RUNGS[k]}, from smaller ones", found[RUNGS[k]])
    return found


def _show(title: str, figures: dict[str, Any]) -> None:
    rows: list[list[object]] = [
        [name, *(percent(of[what][k], 1) for what in ("losses", "scores") for k in ("error", "held"))]
        for name, of in {**figures["runs"], "all": figures["all"]}.items()
    ]
    columns = ["run", "error of losses", "in 90 %", "error of scores", "in 90 %"]
    outputs = (f"{n} {percent(h, 0)}" for of in figures["all"].values() for n, h in of["by_output"].items())
    show(f"{title}, %", columns, rows, f"by output, in 90 %: {', '.join(outputs)}; {figures['seconds']:.0f} s")
