"""The fast posterior of many outputs: those that need little make room, and those that need more go on with their like.

Most outputs' posteriors are near to normal: one round of draws will do. Some need rounds of kernels, a few a population
that wanders; were all drawn together, all would wait for these.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.diagnostics import worth_of_distinct, worth_of_looks
from flpjax.fitting.posterior.importance import FINITE, POPULATION, ROUNDS, Weighted, de_mcmc, draw, explore
from flpjax.fitting.posterior.laplace import Whitening, of_outputs
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData
from flpjax.fitting.posterior.weights import resample
from flpjax.numerics import on_device

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
GROUP = 16  # outputs that are drawn together


class _Drawn:
    """What is known of outputs so far.

    Args:
        draws: How many are asked for.
        outputs: Number of outputs.
        size: Of their vectors.
    """

    def __init__(self, draws: int, outputs: int, size: int) -> None:
        self.vectors = np.empty((draws, outputs, size))
        self.starts = np.empty((POPULATION, outputs, size))
        self.khat, self.worth = np.full(outputs, np.inf), np.zeros(outputs)

    def keep(self, found: Weighted, index: Indices, rng: np.random.Generator) -> None:
        """Draws of the outputs of ``index`` by their weights, and as many as a population has."""
        weight, khat = found.weights()
        self.khat[index] = khat[: len(index)]
        for at, o in enumerate(index):
            self.vectors[:, o] = found.vector[resample(weight[:, at], len(self.vectors), rng), at]
            if khat[at] > FINITE:
                self.starts[:, o] = found.vector[resample(weight[:, at], POPULATION, rng), at]
        self.worth[index] = worth_of_distinct(self.vectors[:, index, 0])


def draw_outputs(
    layer: Layer, whitening: Whitening, evidence: PosteriorData, draws: int, proposals: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """As :func:`~flpjax.fitting.posterior.importance.draw`, of any number of outputs.

    Args:
        layer: The stage.
        whitening: Around each mode, leaves ``(start, output, …)``.
        evidence: Of the layer.
        draws: How many.
        proposals: How many to choose them from.
        rng: For all of it.

    Returns:
        Unconstrained ``(draw, output, p)``, k̂ ``(output,)``, and how many different draws they are worth,
        ``(output,)``.
    """
    mode, root = (np.asarray(leaf) for leaf in whitening)
    outputs = mode.shape[1]
    if outputs <= GROUP:
        return draw(layer, whitening, evidence, draws, proposals, rng)
    found = _Drawn(draws, outputs, mode.shape[2])

    def explored(index: Indices, rng: np.random.Generator, rounds: int) -> None:
        own = _filled(index)
        around = Whitening(*on_device((mode[:, own], root[:, own])))
        found.keep(explore(layer, around, of_outputs(evidence, own), proposals, rng, rounds), index, rng)

    def wandered(index: Indices, rng: np.random.Generator) -> None:
        own, key = _filled(index), jax.random.key(int(rng.integers(2**31)))
        start = jnp.asarray(found.starts[:, own])
        seen = np.asarray(de_mcmc(layer, start, of_outputs(evidence, own), key, -(-draws // POPULATION)))
        everything = rng.permutation(seen.reshape(-1, *seen.shape[2:]))[:draws]
        found.vectors[:, index] = everything[:, : len(index)]
        found.worth[index] = worth_of_looks(seen)[: len(index)]

    everyone = np.arange(outputs)
    _in_groups(partial(explored, rounds=1), everyone, rng)
    _in_groups(partial(explored, rounds=ROUNDS), everyone[found.khat > FINITE], rng)
    _in_groups(wandered, everyone[found.khat > FINITE], rng)
    return found.vectors, found.khat, np.minimum(found.worth, draws)


def _filled(index: Indices) -> Indices:
    """As many as a group has, the last repeated: one program serves all groups."""
    return np.concatenate([index, np.repeat(index[-1:], GROUP - len(index))])


def _in_groups(work: Callable[[Indices, np.random.Generator], None], index: Indices, rng: np.random.Generator) -> None:
    """Some outputs after others, on all cores; each group has random numbers of its own."""
    groups = [index[at : at + GROUP] for at in range(0, len(index), GROUP)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(work, groups, rng.spawn(len(groups))))
