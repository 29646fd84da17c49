"""Tables that are long or wide, simulated from known constants and written as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUN_NOISE = 0.004  # s.d. of log losses
WIDE_SIZES = np.array([5e7, 1e8, 2e8, 4e8, 8e8, 1.6e9, 3.2e9])
Columns = dict[str, NDArray[Any]]


def long(rows: int, checkpoints: int = 200) -> Columns:
    """A log of training: runs of ``checkpoints`` rows each, two losses, a score."""
    runs = rows // checkpoints
    rng = np.random.default_rng(0)
    params = 10 ** rng.uniform(7.0, 9.5, runs)
    tokens = 20.0 * params * rng.uniform(0.5, 2.0, runs)
    loss = _losses(params, tokens, checkpoints, rng)
    return {
        **_sizes(params, tokens, checkpoints),
        "loss/c4": loss.ravel(),
        "loss/pile": 1.1 * loss.ravel() * np.exp(RUN_NOISE * rng.standard_normal(loss.size)),
        "score/arc": 0.25 + 0.6 / (1.0 + np.exp((loss.ravel() - 2.6) / 0.3)) + 0.01 * rng.standard_normal(loss.size),
    }


def wide(tasks: int, checkpoints: int = 10) -> Columns:
    """One loss and many scores: sigmoids of it, from chance to a ceiling."""
    rng = np.random.default_rng(1)
    params = np.repeat(WIDE_SIZES, 3)
    tokens = params * np.tile([10.0, 20.0, 40.0], len(WIDE_SIZES))
    loss = _losses(params, tokens, checkpoints, rng).ravel()
    middle, width = rng.uniform(2.2, 3.2, tasks), rng.uniform(0.15, 0.4, tasks)
    chance = rng.choice([0.0, 0.25, 0.5], tasks)
    skill = 0.8 / (1.0 + np.exp((loss[:, None] - middle) / width))
    score = chance + (1.0 - chance) * skill + 0.01 * rng.standard_normal(skill.shape)
    scores = {f"score/task {i:04d}": score[:, i].clip(0.0, 1.0) for i in range(tasks)}
    return {**_sizes(params, tokens, checkpoints), "loss/c4": loss, **scores}


def mixtures(sources: int, runs: int = 160) -> Columns:
    """Final rows of runs of two sizes at random mixtures of many sources: three losses, two scores."""
    rng = np.random.default_rng(2)
    mix = rng.dirichlet(np.full(sources, 0.5), runs)
    params = np.where(np.arange(runs) % 4 == 0, 3e8, 1e8)
    tokens = 20.0 * params
    base = 1.8 + 482.0 / params**0.348 + 2085.0 / tokens**0.366
    columns = _sizes(params, tokens, 1)
    losses = []
    for name in ("web", "code", "math"):
        pull = rng.uniform(0.0, 1.2, sources)
        losses.append(base * (0.7 + 0.4 * np.exp(-mix @ pull)) * np.exp(RUN_NOISE * rng.standard_normal(runs)))
        columns[f"loss/{name}"] = losses[-1]
    for i, name in enumerate(("arc", "gsm")):
        value = 0.2 + 0.6 / (1.0 + np.exp(4.0 * (losses[i] - 2.6)))
        columns[f"score/{name}"] = value + 0.01 * rng.standard_normal(runs)
    return columns | {f"mix/source {i:02d}": mix[:, i] for i in range(sources)}


def write(path: Path, columns: Columns) -> Path:
    """As CSV."""
    import polars

    polars.DataFrame(columns).write_csv(path)
    return path


def _sizes(params: NDArray[Any], tokens: NDArray[Any], checkpoints: int) -> Columns:
    trained = np.arange(1, checkpoints + 1) / checkpoints
    return {
        "run": np.repeat([f"run {i}" for i in range(len(params))], checkpoints),
        "params": np.repeat(params, checkpoints),
        "tokens": (tokens[:, None] * trained).ravel(),
    }


def _losses(
    params: NDArray[Any], tokens: NDArray[Any], checkpoints: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """``(run, checkpoint)`` of Chinchilla's law, about which runs and checkpoints scatter."""
    trained = tokens[:, None] * np.arange(1, checkpoints + 1) / checkpoints
    law = 1.8 + 482.0 / params[:, None] ** 0.348 + 2085.0 / trained**0.366
    scatter = RUN_NOISE * (rng.standard_normal((len(params), 1)) + 0.5 * rng.standard_normal(law.shape))
    return np.asarray(law * np.exp(scatter))
