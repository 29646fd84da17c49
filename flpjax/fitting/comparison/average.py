"""Draws from all joint laws of an output, as many of each as its evidence calls for."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from scipy.special import gammaln, logsumexp

from flpjax.fitting.comparison.density import Lane, densities
from flpjax.fitting.comparison.modes import modes
from flpjax.fitting.posterior.importance import TAILS, explore_density
from flpjax.fitting.posterior.weights import resample, smoothed
from flpjax.ladder.table import Floats
from flpjax.laws.compared import PARAMETERS, ComparedLaw
from flpjax.numerics import on_device, require_x64

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
    evidence, found, khats = np.array(log_prior), [], []
    for lane in range(count):
        vector, log_ratio = _explored(law, lanes, lane, mode[lane], root[lane], rng)
        weight, khat = smoothed(log_ratio)
        evidence[lane] += logsumexp(np.nan_to_num(log_ratio, nan=-np.inf))
        found.append((vector, weight))
        khats.append(khat)
    probability = np.exp(evidence - logsumexp(evidence))
    of_draw = resample(probability, draws, rng)
    params = np.zeros((draws, size))
    for lane, (vector, weight) in enumerate(found):
        mine = np.flatnonzero(of_draw == lane)
        params[mine] = lanes.loc[lane]
        if len(mine):
            params[mine] += lanes.scale[lane] * vector[resample(weight, len(mine), rng)]
    say = [khat for khat, p in zip(khats, probability, strict=True) if p > SAY]
    return Averaged(params, probability, max(say, default=np.inf))


def _explored(
    law: ComparedLaw, lanes: Lane, lane: int, mode: Floats, root: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draws ``(draw, p)`` of one nested law in its free parameters, 0 in the others, and log importance ratios.

    Ratios are normalised, so that their sums compare laws of different numbers of parameters.
    """
    free = np.flatnonzero(lanes.scale[lane] > 0)
    one: Lane = on_device(jax.tree.map(lambda leaf: leaf[lane : lane + 1], lanes))

    def whole(vectors: Floats) -> Floats:
        full = np.zeros((*vectors.shape[:2], len(PARAMETERS)))
        full[..., free] = vectors
        return full

    spread: Floats = np.asarray(np.linalg.cholesky((root @ root.T)[np.ix_(free, free)]), np.float64)
    begin = mode[None, None, free], spread[None, None]
    found = explore_density(lambda vectors: densities(law, whole(vectors), one), *begin, PROPOSALS, rng)
    p = len(free)
    normal = -0.5 * p * np.log(2.0 * np.pi)
    student = gammaln(0.5 * (TAILS + p)) - gammaln(0.5 * TAILS) - 0.5 * p * np.log(TAILS * np.pi)
    return whole(found.vector)[:, 0], found.log_ratio[:, 0] + normal - student
