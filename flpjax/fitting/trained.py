"""Stages that are trained by a recipe: many starts, and all of them kept that fit as well as the best.

Networks tie: starts that fit the ladder equally well forecast different scores. One of them is not a forecast; all of
them are draws.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.engine.recipe import train
from flpjax.engine.settings import Status
from flpjax.laws.law import prior_normal
from flpjax.methods.method import Stage

TIE = 1.0  # units of log-likelihood that a tied start may stand below the best


class Ties(NamedTuple):
    """The starts that fit as well as the best."""

    vectors: list[NDArray[np.float64]]  # per output (tie, p), the best first

    @property
    def most(self) -> int:
        """The largest number of an output's ties."""
        return max(len(v) for v in self.vectors)

    def cycled(self, count: int) -> NDArray[np.float64]:
        """``(count, output, p)`` each output's ties, over and over."""
        return np.stack([v[np.arange(count) % len(v)] for v in self.vectors], axis=1)


class TrainedFit(NamedTuple):
    """What :func:`train_stage` found."""

    vectors: NDArray[np.float64]  # (draw, output, p); without resamples (tie, output, p)
    value: NDArray[np.float64]  # (output,) sum of squares of the best start
    gradient: NDArray[np.float64]  # (output,)
    start_status: NDArray[np.int64]  # (output, start)
    agree: NDArray[np.float64]  # (output,) share of starts that tie with the best
    ties: Ties


def train_stage(stage: Stage, counts: NDArray[np.float64], rng: np.random.Generator, starts: int) -> TrainedFit:
    """Train every output from random starts, and every further draw of counts from one of the tied ends.

    A start ties if its likelihood is within e^-1 of the best: its sum of squares within a share 2/k, for k runs that
    inform the output (checkpoints of a run are not independent facts).

    Args:
        stage: The stage, with a recipe.
        counts: ``(draw, run)`` how often each draw takes each run; the first takes every run once.
        rng: For the starts.
        starts: How many starts an output gets.
    """
    assert stage.recipe is not None
    used = stage.weight.any(axis=0)
    weight, run = stage.weight[:, used], stage.run[used]
    data = jax.tree.map(lambda leaf: np.asarray(leaf)[:, used], (stage.x, stage.y))
    loc, scale = prior_normal(stage.law)
    outputs = len(stage.outputs)
    first = loc + scale * rng.standard_normal((outputs, starts, len(loc)))
    ends = train(stage.residual, data, weight, np.ones((starts, used.sum())), first, stage.recipe)
    value = np.where(np.isfinite(ends.value), ends.value, np.inf)
    ties, agree, best = [], np.zeros(outputs), value.argmin(axis=1)
    for i in range(outputs):
        runs = len(np.unique(run[weight[i] > 0]))
        order = np.argsort(value[i], kind="stable")
        limit = value[i, order[0]] * (1.0 + 2.0 * TIE / max(runs, 1))
        if np.isinf(limit):
            ties.append(np.full_like(ends.vector[i, :1], np.nan))
            continue
        tied = order[value[i, order] <= limit]
        ties.append(ends.vector[i, tied])
        agree[i] = len(tied) / starts
    found = Ties(ties)
    vectors = found.cycled(found.most if len(counts) == 1 else 1)
    if len(counts) > 1:
        again = found.cycled(len(counts) - 1).swapaxes(0, 1)
        drawn = train(stage.residual, data, weight, counts[1:, run], again, stage.recipe)
        sound = np.isfinite(drawn.value)[..., None]
        vectors = np.concatenate([vectors, np.where(sound, drawn.vector, np.nan).swapaxes(0, 1)])
    status = np.where(np.isfinite(ends.value), Status.TRAINED, Status.NON_FINITE_START).astype(np.int64)
    at = np.arange(outputs), best
    return TrainedFit(vectors, ends.value[at], ends.gradient[at], status, agree, found)
