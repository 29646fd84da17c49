"""How noisy the rows of a stage are, and how much they are alike: what a fit with priors has to weigh them by."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.ladder.features import Features
from flpjax.laws.law import size
from flpjax.laws.residual import TYPICAL_NOISE, Residual
from flpjax.methods.method import Stage
from flpjax.numerics import compiled

PRIOR_DF = 4.0  # facts that the typical noise counts for
FEWEST_RUNS = 6  # that tell whether noise grows
STEEP, MOST_STEEP = 0.15, 0.4  # of log noise per e-fold of compute: what is usual, and the most that is believed
SCATTER = 0.5  # variance of the logarithm of one run's residuals


class Noise(NamedTuple):
    """Residuals of one stage: their spread and what the checkpoints of a run share of it."""

    sd: NDArray[np.float64]  # (output,) of one row: of log losses, or of scores
    shared: NDArray[np.float64]  # (output,) share of the variance that all checkpoints of a run have in common
    n_effective: NDArray[np.float64]  # (output,) runs that inform the output
    growth: NDArray[np.float64]  # (row,) factor on it: 1 for the largest run, more for small ones


def noise_of(stage: Stage, vectors: NDArray[np.float64]) -> Noise:
    """Spread of the residuals about a fit, between and within runs, shrunk towards what is typical.

    Checkpoints of a run count as one fact: the spread of 1,500 rows from 16 runs is known no better than that of 16.

    Args:
        stage: The fits.
        vectors: ``(output, p)`` their optima.
    """
    data = jax.tree.map(jnp.asarray, (stage.x, stage.y))
    usable = np.asarray(np.isfinite(vectors).all(axis=1, keepdims=True))
    anywhere = np.where(np.isfinite(vectors), vectors, 0.0)
    residual = np.asarray(_residuals(stage.residual, jnp.asarray(anywhere), data))
    kept = (stage.weight > 0) & np.isfinite(residual) & usable
    typical = typical_noise(stage)
    growth = _growth(stage, np.where(kept, residual, np.nan), typical)
    residual = residual / growth
    sd, shared, n_effective = (np.zeros(len(stage.outputs)) for _ in range(3))
    for i, rows in enumerate(kept):
        r, run = residual[i, rows], stage.run[rows]
        labels, index, many = np.unique(run, return_inverse=True, return_counts=True)
        n_effective[i] = len(labels)
        if not len(labels):
            sd[i] = typical
            continue
        mean = np.bincount(index, r) / many
        within = ((r - mean[index]) ** 2).sum() / max(len(r) - len(labels), 1)
        between = max(float(np.mean(mean**2) - within * np.mean(1.0 / many)), 0.0)
        if many.max() == 1:
            within, between = float(np.mean(r**2)), 0.0
        total = within + between
        freedom = max(len(labels) - size(stage.law), 0.0)
        lost = len(labels) / max(freedom, 1.0) if many.max() == 1 else 1.0
        sd[i] = np.sqrt((PRIOR_DF * typical**2 + freedom * lost * total) / (PRIOR_DF + freedom))
        shared[i] = between / total if total > 0 else 0.0
    return Noise(sd, shared, n_effective, growth)


def _growth(stage: Stage, residual: NDArray[np.float64], typical: float) -> NDArray[np.float64]:
    """``(row,)`` how much noisier than the largest run each is: a power of compute for all outputs, shrunk to none.

    Small runs scatter more about a law, and matter less for what lies beyond the large ones.
    """
    if not isinstance(stage.x, Features):
        return np.ones(residual.shape[1])
    below = stage.x.log_flops[0].max() - stage.x.log_flops[0]
    seen = np.isfinite(residual).sum(axis=0)
    square = np.nansum(residual**2, axis=0) / np.maximum(seen, 1)
    known, log_size = seen > 0, 0.5 * np.log(square + typical**2)
    if known.sum() < FEWEST_RUNS or np.ptp(below[known]) == 0:
        return np.ones(residual.shape[1])
    x, y = below[known] - below[known].mean(), log_size[known] - log_size[known].mean()
    slope = float((x * y).sum() / ((x**2).sum() + SCATTER / STEEP**2))
    return np.asarray(np.exp(np.clip(slope, 0.0, MOST_STEEP) * below))


def weighed(stage: Stage, noise: Noise, variance: NDArray[np.float64]) -> Stage:
    """The stage with weights under which a residual counts by its own noise, and the prior by what it says.

    Args:
        stage: The fits; their laws' priors are weighed in.
        noise: Of the residuals.
        variance: ``(output, row)`` what the questions asked add to it; NaN where that is not known.
    """
    typical = typical_noise(stage)
    known = np.where(np.isfinite(variance), variance, 0.0)
    rows = np.maximum((stage.weight > 0).sum(axis=1), 1)
    usual = (known * (stage.weight > 0)).sum(axis=1) / rows
    own = np.maximum(noise.sd**2 - usual, 0.25 * noise.sd**2)[:, None] * noise.growth**2 + known
    per_run = np.zeros((len(stage.outputs), int(stage.run.max()) + 1))
    np.add.at(per_run.T, stage.run, (stage.weight > 0).T.astype(float))
    alike = 1.0 + np.maximum(per_run[:, stage.run] - 1.0, 0.0) * noise.shared[:, None]
    weight = (stage.weight > 0) * typical**2 / (own * alike)
    return replace(stage, weight=weight, residual=replace(stage.residual, prior_sd=typical))


def typical_noise(stage: Stage) -> float:
    """The residual s.d. that priors are weighed against: the stage's own, or what is usual in its space."""
    return stage.residual.prior_sd or TYPICAL_NOISE[stage.residual.space]


def unknown_noise(stage: Stage) -> Noise:
    """Before anything is fitted: typical noise, half of it shared by a run's checkpoints."""
    outputs, rows = stage.y.shape
    return Noise(np.full(outputs, typical_noise(stage)), np.full(outputs, 0.5), np.zeros(outputs), np.ones(rows))


@partial(compiled, static_argnums=0)
def _residuals(residual: Residual, vectors: Array, data: Any) -> Array:
    """``(output, row)``."""
    return jax.vmap(jax.vmap(residual, (None, 0)))(vectors, data)
