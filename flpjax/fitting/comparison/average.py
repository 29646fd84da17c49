"""Draws from all joint laws of an output, as many of each as its evidence calls for."""

from __future__ import annotations

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

PROPOSALS = 2000  # of each law
STARTS = 4  # of each climb: the middle of the prior, and three half as wide about it
LAWS = 8  # laws come in multiples, so that all outputs share a program
SAY = 0.05  # probability from which on a law's k̂ counts


@dataclass(frozen=True, eq=False)
class Averaged:
    """Of one output.

    Attributes:
        params: ``(draw, p)`` unconstrained, in the order of :data:`PARAMETERS`.
        probability: ``(lane,)`` of each law, given what was measured.
        khat: Of the weights, the largest of laws that have a say; above .7 the proposals missed a part.
    """

    params: Floats
    probability: Floats
    khat: float


def average(law: ComparedLaw, lanes: Lane, log_prior: Floats, draws: int, rng: np.random.Generator) -> Averaged:
    """Fit all nested laws of one output in one batch, and draw from their average.

    Args:
        law: Of all of them.
        lanes: Leaves ``(lane, …)``.
        log_prior: ``(lane,)`` log probabilities of the laws before anything was measured.
        draws: How many.
        rng: For all of it.

    Raises:
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("speedup")
    count, size = len(log_prior), len(PARAMETERS)
    more = -count % LAWS
    whole: Lane = jax.tree.map(lambda leaf: np.concatenate([leaf, np.repeat(leaf[-1:], more, axis=0)]), lanes)
    starts = 0.5 * rng.standard_normal((STARTS, count + more, size)) * (whole.scale > 0)
    starts[0] = 0.0
    mode, root = modes(law, whole, starts)
    found = explore_density(lambda v: densities(law, v, whole), mode[None], root[None], PROPOSALS, rng)
    log_ratio = np.nan_to_num(found.log_ratio[:, :count], nan=-np.inf)
    evidence = logsumexp(log_ratio, axis=0) + log_prior
    probability = np.exp(evidence - logsumexp(evidence))
    of_draw = resample(probability, draws, rng)
    params, khats = np.zeros((draws, size)), []
    for lane in range(count):
        mine = np.flatnonzero(of_draw == lane)
        weight, khat = smoothed(log_ratio[:, lane])
        vector = found.vector[resample(weight, len(mine), rng), lane] if len(mine) else np.zeros((0, size))
        params[mine] = lanes.loc[lane] + lanes.scale[lane] * vector
        khats += [khat] if probability[lane] > SAY else []
    return Averaged(params, probability, max(khats, default=np.inf))
