"""What each approach says of sweeps that were published, beside exponents that their authors, or others, read off them.

The five isoFLOP sets, FLOPs counted as the budget that their authors name; and the 240 points of Hoffmann et al.'s
figure 4, by the law as the package fits it, and by the objective of Besiroglu et al. 2024.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import Array

from benchmarks import chinchilla
from benchmarks.plan.options import Options
from benchmarks.report import tabulated
from benchmarks.unseen.tables import ISOFLOPS, columns, local, table
from flpjax import FLP, Allocation, Chinchilla, Runs, bootstrap, plan
from flpjax.ladder.build import build_runs
from flpjax.readers.cells import names
from flpjax.readers.csv_file import read_csv
from flpjax.results.forecast import Interval

SETS = ("ml_scalefit", "epochai_chinchilla", "marin_202603__comma", "marin_202603__dclm", "marin_202603__nemotron")
SPAN = (1e19, 1e20, 1e21, 1e22)  # FLOPs: what exponents are read off over
ASKED = 5.76e23  # Gopher's budget, of Hoffmann et al.'s table 3
LEVEL = 0.9
DRAWS = 400  # resamples
REPLICATED = "law, Besiroglu et al.'s objective"

PUBLISHED: dict[str, dict[str, dict[str, float]]] = {
    **{
        name: {
            "Hoffmann et al. 2022, approach 1": {"a": 0.50, "lower": 0.488, "upper": 0.502},
            "Hoffmann et al. 2022, approach 2": {"a": 0.49, "lower": 0.462, "upper": 0.534},
        }
        for name in SETS[:2]
    },
    "chinchilla": {
        "Hoffmann et al. 2022, approach 3": {"a": 0.46, "lower": 0.454, "upper": 0.455},
        "Besiroglu et al. 2024, approach 3": {"a": 0.512},
    },
}
"""Exponents a of N* ∝ C^a, from their tables; the intervals of Hoffmann et al. are of 80 %. Of marin's sets none is."""


def measure(options: Options) -> dict[str, Any]:
    """Set → approach → a, b and N* at Gopher's budget, each with its interval; and what was published."""
    figures: dict[str, Any] = {}
    for name in SETS:
        found = plan(isoflops(name), [*SPAN, ASKED], jax.random.key(options.seed), level=LEVEL, compare=False)
        figures[name] = _approaches(found)
    points = chinchilla.points()
    params, tokens, loss = (np.exp(v) for v in points)
    runs = table("chinchilla", params, tokens, loss, np.zeros(len(params), bool))
    key = jax.random.key(options.seed)
    figures["chinchilla"] = _approaches(plan(runs, [*SPAN, ASKED], key, level=LEVEL))
    figures["chinchilla"][REPLICATED] = _approaches(besiroglu(runs, key))["law"]
    told = {name: {f"published: {who}": of for who, of in rows.items()} for name, rows in PUBLISHED.items()}
    return {name: {**approaches, **told.get(name, {})} for name, approaches in figures.items()}


def isoflops(experiment: str) -> Runs:
    """One isoFLOP set whole, C as its authors' budgets."""
    raw = read_csv(local(ISOFLOPS))
    here = np.array([name.startswith(f"{experiment}__") for name in names(raw.cells["experiment"])])
    wanted = ("params", "tokens", "budget", "loss")
    of = {name: values[here] for name, values in columns(raw, wanted).items()}
    called = np.array([f"point {i}" for i in range(int(here.sum()))], object)
    sizes = {"params": of["params"], "tokens": of["tokens"], "flops": of["budget"]}
    return build_runs({"run": called, **sizes, "loss/loss": of["loss"]}, source=experiment)


def besiroglu(runs: Runs, key: Array) -> Allocation:
    """The law by their objective, without a prior, resampled by point."""
    robust = FLP(Chinchilla(), huber=chinchilla.HUBER, scores=False)
    return plan(bootstrap(robust, runs, key, draws=DRAWS, strict=False), [*SPAN, ASKED], key, level=LEVEL)


def _approaches(found: Allocation) -> dict[str, Any]:
    approaches: dict[str, Any] = {}
    for approach in found.approaches:
        a, b = approach.exponents(LEVEL)
        params = approach.params(LEVEL)[-1]
        if a is not None and b is not None:
            how = {"b": b.median, "params": params and params.median, "headline": approach.name == found.headline}
            approaches[approach.name] = {**_told(a, "a"), **how}
    return approaches


def _told(value: Interval, name: str) -> dict[str, float]:
    return {name: value.median, "lower": value.lower, "upper": value.upper}


def show(figures: dict[str, Any]) -> str:
    """As a table."""
    rows = []
    for name, approaches in figures.items():
        for approach, found in approaches.items():
            n = found.get("params")
            rows.append((name, approach, f"{found['a']:.3f}", _between(found), "" if n is None else f"{n / 1e9:.1f}"))
    return tabulated(
        f"Exponent a of N* ∝ C^a, {100 * LEVEL:g} % intervals, and N* at {ASKED:.3g} FLOPs",
        ("set", "approach, or who published it", "a", "interval", "N*, billions"),
        rows,
    )


def _between(of: dict[str, float]) -> str:
    return f"{of['lower']:.3f} to {of['upper']:.3f}" if "lower" in of else ""
