"""Draws from all joint laws of an output, as many of each as its evidence calls for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from scipy.special import logsumexp

from flpjax.fitting.comparison.density import Lane, densities
from flpjax.fitting.comparison.modes import modes
from flpjax.fitting.posterior.importance import explore_density, resample, smoothed
from flpjax.ladder.table import Floats
from flpjax.laws.compared import PARAMETERS, ComparedLaw
from flpjax.numerics import require_x64

PROPOSALS = 2000  # of each law: two outputs of sixteen laws cost a second
STARTS = 4


@dataclass(frozen=True, eq=False)
class Averaged:
    """Of one output.

    Attributes:
        params: ``(draw, p)`` unconstrained, in the order of :data:`PARAMETERS`.
        lane: ``(draw,)`` the law that each is of.
        probability: ``(lane,)`` of each law, given what was measured.
        khat: Of the weights, the largest of laws that have a say; above .7 the proposals missed a part.
    """

    params: Floats
    lane: np.ndarray
    probability: Floats
    khat: float


SAY = 0.05  # probability from which on a law's k̂ counts


def average(
    law: ComparedLaw, groups: Sequence[Lane], log_prior: Floats, draws: int, rng: np.random.Generator
) -> list[Averaged]:
    """Fit all laws of several outputs in one batch, and draw from their average.

    Args:
        law: Of all of them.
        groups: Output → its lanes, leaves ``(lane, …)``, as many for each.
        log_prior: ``(lane,)`` log probabilities of the laws before anything was measured.
        draws: How many of each output.
        rng: For all of it.

    Raises:
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("speedup")
    each = len(log_prior)
    lanes: Lane = jax.tree.map(lambda *leaves: np.concatenate(leaves), *groups)
    size = len(PARAMETERS)
    starts = 0.5 * rng.standard_normal((STARTS, len(groups) * each, size)) * (lanes.scale > 0)
    starts[0] = 0.0
    mode, root = modes(law, lanes, starts)
    found = explore_density(lambda vectors: densities(law, vectors, lanes), mode[None], root[None], PROPOSALS, rng)
    results = []
    for g in range(len(groups)):
        mine = range(g * each, (g + 1) * each)
        evidence = np.array([logsumexp(np.nan_to_num(found.log_ratio[:, i], nan=-np.inf)) for i in mine]) + log_prior
        probability = np.exp(evidence - logsumexp(evidence))
        levels = resample(probability, draws, rng)
        params = np.zeros((draws, size))
        khats = []
        for k, i in enumerate(mine):
            chosen = np.flatnonzero(levels == k)
            if not len(chosen):
                continue
            weight, khat = smoothed(found.log_ratio[:, i])
            if probability[k] > SAY:
                khats.append(khat)
            vector = found.vector[resample(weight, len(chosen), rng), i]
            params[chosen] = lanes.loc[i] + lanes.scale[i] * vector
        results.append(Averaged(params, levels, probability, max(khats, default=np.inf)))
    return results
