"""A posterior by tempered populations: of networks, whose modes are many and alike. Forecasts are judged, not weights.

Each chain of draws is of populations of its own, which start at the prior and know nothing of the others: where chains
agree on forecasts, each has found the modes in their right shares. The hidden units of a network can be exchanged,
which changes no forecast; so it does not matter which of these modes a member is in. Where chains don't agree yet, more
populations join each, for the outputs that need them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.tempered import Tempering, temper
from flpjax.fitting.diagnostics import ESS, RHAT, Convergence, convergence
from flpjax.fitting.posterior.assemble import Found, forecasts_of
from flpjax.fitting.posterior.likelihood import Layer
from flpjax.fitting.posterior.marginal import MarginalLikelihood, completed
from flpjax.fitting.posterior.priors import PosteriorProblem
from flpjax.numerics import generator, on_device

ROUNDS = 8  # of populations that may join a chain; what does not agree then is named
MORE_MEMBERS = 1000  # of each population where they are evaluated at once, for little more time
Floats = NDArray[np.float64]
Population = tuple[Floats, Floats]
"""Of one output: draws ``(chain, draw, p)``, and the log evidence ``(chain,)``."""


def by_populations(
    problem: PosteriorProblem,
    tempering: Tempering,
    draws: int,
    chains: int,
    key: Array,
    progress: Callable[[str], None] | None = None,
) -> Found:
    """Draws of every layer, each output on its own: they are independent given what was measured.

    Args:
        problem: What is sampled.
        tempering: How.
        draws: Of each chain.
        chains: How many.
        key: JAX random key.
        progress: Called with what is done, before it is.
    """
    tell = progress or (lambda _: None)
    pending = [list(range(len(known.loc))) for known in problem.evidence]
    pools: list[list[list[Population]]] = [[[] for _ in each] for each in pending]
    acceptance = 1.0
    for number in range(ROUNDS):
        for i, outputs in enumerate(pending):
            if outputs:
                tell(f"{len(outputs)} × {problem.layers[i].stage}, populations {number + 1}")
                own = jax.random.fold_in(key, number * len(pending) + i)
                asked = _side_by_side(outputs, len(problem.evidence[i].loc))
                found, evidence, accepted = _drawn(problem, i, asked, tempering, chains, own)
                acceptance = min(acceptance, accepted)
                for place, output in enumerate(asked):
                    pools[i][output].append((found[:, :, place], evidence[:, place]))
        vectors = tuple(map(partial(joined, draws), problem.layers, pools))
        pending = unsettled(problem, convergence(forecasts_of(problem, vectors), chains))
        if not any(pending):
            break
    shape = (chains, draws)
    steps = np.full(shape, number + 1, np.int64)
    return Found(vectors, np.zeros(shape, bool), steps, ROUNDS + 1, np.full(shape, acceptance), {}, {})


def usual_tempering() -> Tempering:
    """Larger populations on accelerators: one finds the modes in their shares where several small ones don't."""
    return Tempering() if jax.default_backend() == "cpu" else Tempering(members=MORE_MEMBERS)


def unsettled(problem: PosteriorProblem, found: Convergence) -> list[list[int]]:
    """Layer → the outputs on whose forecasts ``(target, quantity)`` chains don't agree, or that rest on few draws.

    A score is drawn again only where the losses that it is a function of have settled.
    """
    good = np.all((found.rhat < RHAT) & (found.ess > ESS), axis=0).tolist()
    model = problem.model
    domains = len(model.domains)
    loss = {i for i in range(domains) if not good[i]}
    via = model.via or ((),) * len(model.tasks)
    score = [j for j, through in enumerate(via) if not good[domains + j] and not loss.intersection(through)]
    wanted = {"loss": sorted(loss), "score": score}
    return [wanted[layer.stage] for layer in problem.layers]


def _side_by_side(outputs: list[int], places: int) -> list[int]:
    """Outputs of one program: on accelerators always as many, with more populations of each where they are few.

    So nothing compiles again for the few that have not settled, and the places of the others are not idle.
    """
    return outputs if jax.default_backend() == "cpu" else [outputs[i % len(outputs)] for i in range(places)]


def _drawn(
    problem: PosteriorProblem, i: int, outputs: list[int], tempering: Tempering, chains: int, key: Array
) -> tuple[Floats, Floats, float]:
    """``(chain, draw, output, p)`` of some outputs of a layer, log evidence ``(chain, output)``, least acceptance."""
    likelihood = MarginalLikelihood(problem.layers[i])
    known: Any = jax.tree.map(lambda leaf: np.asarray(leaf)[outputs], problem.evidence[i])
    left = np.array(likelihood.left)
    ran = temper(likelihood, known, known.loc[:, left], known.scale[:, left], tempering, chains, key)
    vectors = np.where(ran.reached[:, None, :, None], ran.vectors, np.nan)
    flat = completed(likelihood, vectors.reshape(-1, *vectors.shape[2:]), known, generator(key, 1))
    return flat.reshape(*vectors.shape[:2], *flat.shape[1:]), ran.log_evidence, float(ran.acceptance.min())


def joined(draws: int, layer: Layer, pool: list[list[Population]]) -> Array:
    """``(chain · draw, output, p)``: every chain's populations one after another, of a network by their evidence.

    A population that found the better modes has the larger evidence, of which its estimate is unbiased: to weigh by it
    corrects what one population alone has too much or too little of (Del Moral et al. 2006). Where there is one mode,
    all have found it, and what estimates differ by is noise: populations then count alike.

    Args:
        draws: Of each chain.
        layer: The stage.
        pool: Output → populations, each of all chains.
    """
    several = getattr(layer.law, "trained", False)
    level = (np.arange(draws) + 0.5) / draws
    columns = []
    for populations in pool:
        each = np.concatenate([drawn for drawn, _ in populations], axis=1)
        evidence = np.stack([found for _, found in populations], axis=1)
        evidence = evidence if several else np.where(np.isfinite(evidence), 0.0, evidence)
        weight = np.exp(evidence - evidence.max(axis=1, keepdims=True))
        shares = np.repeat(weight, each.shape[1] // len(populations), axis=1)
        upper = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
        chosen = np.stack([np.searchsorted(own, level) for own in upper])
        columns.append(np.take_along_axis(each, np.minimum(chosen, each.shape[1] - 1)[..., None], axis=1))
    vectors = np.stack(columns, axis=2)
    return on_device(vectors.reshape(-1, *vectors.shape[2:]))
