"""Tables of known laws, of kinds that the tasks do not have: their last rows are what is forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.tasks import Columns

Floats = NDArray[np.float64]


class Simulated(NamedTuple):
    """Rows to fit, and rows to forecast.

    Attributes:
        train: Columns, ``y`` among them, and ``group`` where rows are fitted apart.
        test: The same.
        cost: Features whose product is what a row cost.
    """

    train: Columns
    test: Columns
    cost: tuple[str, ...]


def experts(rng: np.random.Generator) -> Simulated:
    """Routed models in several variants each, whose number of experts saturates (Clark et al. 2022), to 3.5 times N."""
    table = _crossed(experts=np.exp2(np.arange(10.0)), params=[*np.geomspace(1.6e7, 3.7e8, 5), 1.3e9])
    variants = rng.integers(1, 5)
    table = {name: np.repeat(v, variants) for name, v in table.items()}
    used = 1.0 / (1.0 / (table["experts"] + rng.uniform(0.0, 0.8)) + 1.0 / rng.uniform(150.0, 500.0))
    floor = rng.uniform(1.2, 1.8)
    falls = (table["params"] / 1.65e7) ** -rng.uniform(0.12, 0.25) * used ** -rng.uniform(0.05, 0.12)
    return _cut(table, floor + (3.1 - floor) * falls, 0.015, rng, table["params"] < 4e8, ("experts", "params"))


def parallel(rng: np.random.Generator) -> Simulated:
    """Parallel streams (Chen et al. 2025), to twice as many; two corpora."""
    parts = []
    for group in ("code", "web"):
        table = _crossed(params=[5.4e8, 6.9e8, 1.1e9, 1.6e9, 2.8e9, 4.4e9], streams=[1.0, 2.0, 4.0, 8.0])
        worth = table["params"] * (rng.uniform(0.3, 0.45) * np.log(table["streams"]) + 1.0)
        loss = rng.uniform(0.7, 1.3) + (rng.uniform(1e7, 2e8) / worth) ** rng.uniform(0.18, 0.2)
        parts.append(_cut(table, loss, 0.0012, rng, table["streams"] < 8.0, ("params", "streams"), group))
    return _together(parts)


def turning(rng: np.random.Generator) -> Simulated:
    """Negative scores of eight tasks that fall, turn, and rise until they level off; the turn is among the rows."""
    parts = []
    for task in range(8):
        at = np.sort(rng.uniform(-1.2, 3.2, rng.integers(30, 60)))
        dip = rng.uniform(0.1, 0.5) * np.exp(-(((at - rng.uniform(0.2, 0.9)) / rng.uniform(0.4, 0.8)) ** 2) / 1.5)
        rise = rng.uniform(0.25, 0.6) / (1.0 + np.exp((rng.uniform(1.8, 2.4) - at) / rng.uniform(0.25, 0.45)))
        score = -rng.uniform(0.5, 0.9) - dip + rise + 0.012 * rng.standard_normal(len(at))
        parts.append(_cut({"log flops": at}, score, 0.0, rng, at < 1.9, ("log flops",), f"task {task}"))
    return _together(parts)


def samples(rng: np.random.Generator) -> Simulated:
    """Problems solved in k samples (Brown et al. 2024), six models, to eight times the samples."""
    parts = []
    for model in range(6):
        k = np.exp2(np.arange(14.0))
        solved = np.exp(-rng.uniform(1.0, 4.0) * k ** -rng.uniform(0.2, 0.5))
        parts.append(_cut({"samples": k}, solved, 0.01, rng, k < 1000.0, ("samples",), f"model {model}"))
    return _together(parts)


def fine_tuning(rng: np.random.Generator) -> Simulated:
    """Rows of fine-tuning data, from none on (Lin et al. 2024), thirty models, to twice the rows."""
    parts = []
    for model in range(30):
        size = np.r_[0.0, 200.0 * np.exp2(np.arange(13.0))]
        knee, power = np.exp(rng.uniform(np.log(30.0), np.log(3000.0))), rng.uniform(0.15, 0.7)
        loss = rng.uniform(0.3, 1.5) + rng.uniform(0.7, 2.5) * knee**power / (knee**power + size**power)
        noise = rng.uniform(0.003, 0.01)
        parts.append(_cut({"rows": size}, loss, noise, rng, size < 8e5, ("rows",), f"model {model}"))
    return _together(parts)


TABLES: Mapping[str, Callable[[np.random.Generator], Simulated]] = {
    "experts": experts,
    "parallel": parallel,
    "turning": turning,
    "samples": samples,
    "fine-tuning": fine_tuning,
}


def simulated(name: str, seed: int) -> Simulated:
    """A table of a kind."""
    return TABLES[name](np.random.default_rng(seed))


def _crossed(**levels: Sequence[float] | Floats) -> dict[str, Floats]:
    grid = np.meshgrid(*levels.values(), indexing="ij")
    return {name: g.ravel() for name, g in zip(levels, grid, strict=True)}


def _cut(
    table: Mapping[str, Floats],
    truth: Floats,
    noise: float,
    rng: np.random.Generator,
    known: NDArray[np.bool_],
    cost: tuple[str, ...],
    group: str = "",
) -> Simulated:
    """Noise of relative s.d. on the truth, and the rows that are known apart from the others."""
    y = truth * np.exp(noise * rng.standard_normal(len(truth)))
    columns = {**table, "y": y, **({"group": np.full(len(y), group)} if group else {})}
    train, test = ({name: v[rows] for name, v in columns.items()} for rows in (known, ~known))
    return Simulated(train, test, cost)


def _together(parts: Sequence[Simulated]) -> Simulated:
    def all_of(which: Sequence[Columns]) -> Columns:
        return {name: np.concatenate([columns[name] for columns in which]) for name in which[0]}

    return Simulated(all_of([p.train for p in parts]), all_of([p.test for p in parts]), parts[0].cost)
