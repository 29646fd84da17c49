"""The posterior of a network by tempered populations: ranks of forecasts, since weights have no meaning one by one.

A simulation draws a law of losses, its discrepancy, a network and all noise from their priors.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.sbc.simulations import forecast_ranks, simulated
from benchmarks.sbc.statistics import DRAWS, Ranks
from flpjax.engine.tempered import Tempering, temper
from flpjax.fitting.posterior.marginal import MarginalLikelihood, completed
from flpjax.fitting.posterior.priors import PosteriorProblem

TEMPERING = Tempering(members=250)
POPULATIONS = 2  # of each simulation: of all draws so few are ranked that these are all but independent


def ranks(question: PosteriorProblem, simulations: int, seed: int, tempering: Tempering) -> dict[str, Ranks]:
    """Simulate, sample, rank forecasts: of the draws, and of the same draws halved about their mean."""
    rng = np.random.default_rng(seed)
    truth: list[NDArray[np.float64]] = []
    kept: list[NDArray[np.float64]] = []
    for i, (layer, known) in enumerate(zip(question.layers, question.evidence, strict=True)):
        loc, scale = np.asarray(known.loc), np.asarray(known.scale)
        true = loc + scale * rng.standard_normal((simulations, *loc.shape))
        key, own = jax.random.split(jax.random.key(seed + i))
        y = np.asarray(simulated(layer, true, known, jax.random.split(own, (simulations, len(loc)))))
        tiled = jax.tree.map(lambda v: np.broadcast_to(v, (simulations, *v.shape)), known)
        tiled = tiled._replace(data=tiled.data._replace(y=y))
        flat: Any = jax.tree.map(lambda v: np.asarray(v).reshape(-1, *v.shape[2:]), tiled)
        likelihood = MarginalLikelihood(layer)
        left = np.array(likelihood.left)
        ran = temper(likelihood, flat, flat.loc[:, left], flat.scale[:, left], tempering, POPULATIONS, key)
        assert ran.reached.all(), "every population comes to its posterior"
        drawn = ran.vectors.reshape(-1, *ran.vectors.shape[2:])
        thinned = drawn[np.arange(DRAWS) * len(drawn) // DRAWS]
        vectors = completed(likelihood, thinned, flat, rng)
        truth.append(true)
        kept.append(vectors.reshape(DRAWS, *true.shape).swapaxes(0, 1))
    halved = [v.mean(axis=1, keepdims=True) + 0.5 * (v - v.mean(axis=1, keepdims=True)) for v in kept]
    return {name: Ranks(forecast_ranks(question, truth, v)) for name, v in (("as it is", kept), ("halved", halved))}
