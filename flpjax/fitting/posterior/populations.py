"""A posterior by tempered populations: of networks, whose modes are many and alike. Forecasts are judged, not weights.

Each chain of draws is of populations of its own, which start at the prior and know nothing of the others: where chains
agree on forecasts, each has found the modes in their right shares. The hidden units of a network can be exchanged,
which changes no forecast; so it does not matter which of these modes a member is in. Where chains don't agree yet, more
populations join each, for the outputs that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.tempered import Tempering, temper
from flpjax.fitting.diagnostics import ESS, RHAT, Convergence, convergence
from flpjax.fitting.posterior.assemble import Found, forecasts_of
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData
from flpjax.fitting.posterior.marginal import MarginalLikelihood, completed
from flpjax.fitting.posterior.parts import in_parts, parts_needed
from flpjax.fitting.posterior.priors import PosteriorProblem
from flpjax.fitting.posterior.stacked import padded_data
from flpjax.fitting.posterior.together import in_threads
from flpjax.laws.network import Network
from flpjax.numerics import generator, on_device

ROUNDS = 8  # of populations that may join a chain; what does not agree then is named
MORE_ROUNDS = 24  # on accelerators, where one takes seconds
MORE_MEMBERS = 1000  # of each population where they are evaluated at once
MOST_MEMBERS = 80_000  # of all populations of a call there: more are no faster by the member, and few wait idly
Floats = NDArray[np.float64]
Population = tuple[Floats, Floats]
"""Of one output: draws ``(chain, draw, p)``, and the log evidence ``(chain,)``."""


@dataclass(frozen=True, eq=False)
class Lanes:
    """Outputs of one or many ladders that one program samples.

    Attributes:
        layer: What they have in common.
        known: Data and priors, leaves ``(lane, …)``.
        owners: Whose they are: ladder, layer, output.
    """

    layer: Layer
    known: PosteriorData
    owners: tuple[tuple[int, int, int], ...]


def by_populations(
    problems: Sequence[PosteriorProblem],
    tempering: Tempering,
    draws: int,
    chains: int,
    key: Array,
    progress: Callable[[str], None] | None = None,
) -> list[Found]:
    """Draws of every layer of every ladder, each output on its own: they are independent given what was measured.

    Args:
        problems: What is sampled, of each ladder.
        tempering: How.
        draws: Of each chain.
        chains: How many.
        key: JAX random key.
        progress: Called with what is done, before it is.
    """
    tell = progress or (lambda _: None)
    groups = side_by_side(problems)
    pools: list[list[list[list[Population]]]] = [[[[] for _ in known.loc] for known in p.evidence] for p in problems]
    pending = [[list(range(len(known.loc))) for known in p.evidence] for p in problems]
    vectors: list[tuple[Array, ...]] = [()] * len(problems)
    acceptance, rounds = np.ones(len(problems)), np.zeros(len(problems), np.int64)
    allowed = ROUNDS if jax.default_backend() == "cpu" else MORE_ROUNDS
    for number in range(allowed):
        open_ladders = [i for i, each in enumerate(pending) if any(each)]
        if not open_ladders:
            break
        for g, lanes in enumerate(groups):
            wanted = [k for k, (i, layer, output) in enumerate(lanes.owners) if output in pending[i][layer]]
            if wanted:
                tell(f"{len(wanted)} × {lanes.layer.stage}, populations {number + 1}")
                own = jax.random.fold_in(key, number * len(groups) + g)
                for k, drawn, evidence, accepted in _sampled(lanes, wanted, tempering, draws, chains, own):
                    i, layer, output = lanes.owners[k]
                    pools[i][layer][output].append((drawn, evidence))
                    acceptance[i] = min(acceptance[i], accepted)

        def judged(i: int) -> tuple[tuple[Array, ...], list[list[int]]]:
            found = tuple(map(partial(joined, draws), problems[i].layers, pools[i]))
            return found, unsettled(problems[i], convergence(forecasts_of(problems[i], found), chains))

        for i, (found, left) in zip(open_ladders, in_threads(judged, open_ladders), strict=True):
            vectors[i], pending[i], rounds[i] = found, left, number + 1
    shape = (chains, draws)
    return [
        Found(v, np.zeros(shape, bool), np.full(shape, n, np.int64), allowed + 1, np.full(shape, a), {}, {})
        for v, n, a in zip(vectors, rounds, acceptance, strict=True)
    ]


def usual_tempering() -> Tempering:
    """Larger populations on accelerators: one finds the modes in their shares where several small ones don't."""
    return Tempering() if jax.default_backend() == "cpu" else Tempering(members=MORE_MEMBERS)


def side_by_side(problems: Sequence[PosteriorProblem]) -> list[Lanes]:
    """All outputs of all ladders, in as few groups as there are different programs; filled up to one shape."""
    alike: dict[Any, list[tuple[int, int, PosteriorData]]] = {}
    for i, problem in enumerate(problems):
        for at, (layer, known) in enumerate(zip(problem.layers, problem.evidence, strict=True)):
            layer, known = _standard(layer, jax.tree.map(np.asarray, known))
            shapes = tuple(np.shape(leaf)[3:] for leaf in jax.tree.leaves(known.data.x))
            alike.setdefault((layer, jax.tree.structure(known), shapes), []).append((i, at, known))
    return [lanes for (layer, *_), members in alike.items() for lanes in _grouped(layer, members)]


def _grouped(layer: Layer, members: list[tuple[int, int, PosteriorData]]) -> list[Lanes]:
    """Outputs of one layer, filled up to one shape; or in parts, to one shape for those of nearly as many rows."""
    longest = np.max([known.data.mask.shape[1:] for *_, known in members], axis=0).tolist()
    wide = [known._replace(data=padded_data(known.data, *longest)) for *_, known in members]
    together: Any = jax.tree.map(lambda *leaf: np.concatenate(leaf), *wide)
    owners = [(i, at, o) for i, at, known in members for o in range(len(known.loc))]
    if not MarginalLikelihood(layer).integrated:
        return [Lanes(layer, together, tuple(owners))]
    needed = parts_needed(together.data.mask)
    found = []
    for count in np.unique(needed):
        own = np.flatnonzero(needed == count)
        known: Any = jax.tree.map(lambda leaf: leaf[own], together)  # noqa: B023
        known = known._replace(data=in_parts(known.data))
        found.append(Lanes(layer, known, tuple(owners[k] for k in own)))
    return found


def _standard(layer: Layer, known: PosteriorData) -> tuple[Layer, PosteriorData]:
    """A network's standardisation as part of the data, so that ladders whose networks differ by it share a program."""
    law, data = layer.law, known.data
    if not isinstance(law, Network):
        return layer, known
    x = (data.x - np.array(law.centre)) / np.array(law.spread)
    data = data._replace(x=x, zero=data.zero + data.unit * law.level, unit=data.unit * law.scale)
    return replace(layer, law=law.standard()), known._replace(data=data)


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


def _sampled(
    lanes: Lanes, wanted: list[int], tempering: Tempering, draws: int, chains: int, key: Array
) -> list[tuple[int, Floats, Floats, float]]:
    """Populations of some lanes: lane, draws ``(chain, draw, p)``, log evidence ``(chain,)`` and least acceptance.

    On accelerators a call always has as many places, with more populations of each lane where lanes are few: so nothing
    compiles again for the few that have not settled, and the places of the others are not idle.
    """
    likelihood = MarginalLikelihood(lanes.layer)
    left = np.array(likelihood.left)
    if jax.default_backend() == "cpu":
        calls = [wanted]
    else:
        size = min(len(lanes.owners), max(1, MOST_MEMBERS // (chains * tempering.members)))
        places = -(-len(wanted) // size) * size
        filled = [wanted[k % len(wanted)] for k in range(places)]
        calls = [filled[k : k + size] for k in range(0, places, size)]
    found = []
    for number, asked in enumerate(calls):
        own = jax.random.fold_in(key, number)
        known: Any = jax.tree.map(lambda leaf: leaf[asked], lanes.known)  # noqa: B023
        ran = temper(likelihood, known, known.loc[:, left], known.scale[:, left], tempering, chains, own)
        some = np.linspace(0, ran.vectors.shape[1] - 1, min(ran.vectors.shape[1], draws)).astype(int)
        vectors = np.where(ran.reached[:, None, :, None], ran.vectors[:, some], np.nan)
        flat = completed(likelihood, vectors.reshape(-1, *vectors.shape[2:]), known, generator(own, 1))
        whole = flat.reshape(*vectors.shape[:2], *flat.shape[1:])
        found += [
            (lane, whole[:, :, k], ran.log_evidence[:, k], float(ran.acceptance[:, k].min()))
            for k, lane in enumerate(asked)
        ]
    return found


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
