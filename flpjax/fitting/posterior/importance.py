"""The fast posterior: draws from around the modes, then from around the best of those, weighed by the exact density.

A posterior of a few parameters is often bent, and what a bent one needs is no better normal distribution but one more
round: kernels about draws that the first round found likely (West 1993). All draws of both rounds count, each weighed
against the mixture of all that proposed them (Cornuet et al. 2012).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.fitting.posterior.density import Evidence, log_density
from flpjax.fitting.posterior.laplace import Whitening
from flpjax.fitting.posterior.likelihood import Layer
from flpjax.fitting.posterior.pareto import resample, smoothed
from flpjax.numerics import compiled

Floats = NDArray[np.float64]
TAILS = 3.0  # degrees of freedom of proposals: of 6, 4 and 3 the last has the smallest k-hat on both ladders tried
FIRST = 0.5  # share of the draws that come from around the modes
KERNELS = 64


class Weighted(NamedTuple):
    """Draws, and how far the posterior's density departs from that of what proposed them."""

    vector: Floats  # (draw, output, p)
    log_ratio: Floats  # (draw, output)


class Around(NamedTuple):
    """Student's t about several points alike, each output on its own."""

    centre: Floats  # (centre, output, p)
    root: Floats  # (centre or 1, output, p, p)

    def draw(self, draws: int, rng: np.random.Generator) -> Floats:
        """``(draw, output, p)``, from all centres alike."""
        centres, outputs, size = self.centre.shape
        mixing = rng.chisquare(TAILS, (draws, outputs, 1)) / TAILS
        white = rng.standard_normal((draws, outputs, size)) / np.sqrt(mixing)
        of_centre = np.arange(draws) % centres
        turned = np.einsum("dopq,doq->dop", self.root[of_centre % len(self.root)], white)
        return np.asarray(self.centre[of_centre] + turned)

    def log_density(self, vector: Floats) -> Floats:
        """``(draw, output)`` up to a constant that depends on the number of parameters alone."""
        size = vector.shape[-1]
        inverse = np.linalg.inv(self.root)
        volume = np.linalg.slogdet(inverse)[1]
        total = np.full(vector.shape[:2], -np.inf)
        for i, centre in enumerate(self.centre):
            own = i % len(self.root)
            off = np.einsum("opq,doq->dop", inverse[own], vector - centre)
            tails = 0.5 * (TAILS + size) * np.log1p((off**2).sum(axis=-1) / TAILS)
            total = np.logaddexp(total, volume[own] - tails)
        return np.asarray(total - np.log(len(self.centre)))


def explore(layer: Layer, whitening: Whitening, evidence: Evidence, draws: int, rng: np.random.Generator) -> Weighted:
    """Draws in two rounds, with the log ratio of the posterior's density to theirs.

    Args:
        layer: The stage.
        whitening: Around each mode, leaves ``(start, output, …)``; draws come from all of them alike.
        evidence: Of the layer.
        draws: How many.
        rng: For the draws: on the host, where they need no compiled program.
    """
    modes = Around(np.asarray(whitening.mode), np.asarray(whitening.root))
    count = round(FIRST * draws)
    first = modes.draw(count, rng)
    known = np.asarray(_densities(layer, jnp.asarray(first), evidence))
    likely = _kernels(first, known - modes.log_density(first), modes.root[0], rng)
    second = likely.draw(draws - count, rng)
    vector = np.concatenate([first, second])
    density = np.concatenate([known, np.asarray(_densities(layer, jnp.asarray(second), evidence))])
    proposed = np.logaddexp(np.log(FIRST) + modes.log_density(vector), np.log(1.0 - FIRST) + likely.log_density(vector))
    return Weighted(vector, density - proposed)


def _kernels(vector: Floats, log_ratio: Floats, root: Floats, rng: np.random.Generator) -> Around:
    """Kernels about likely draws, which together spread as all draws do by their weights.

    Args:
        vector: ``(draw, output, p)``.
        log_ratio: ``(draw, output)``.
        root: ``(output, p, p)`` of the normal at the mode, which counts for as many draws as it has parameters.
        rng: For the choice.
    """
    outputs, size = vector.shape[1:]
    weight = np.stack([smoothed(log_ratio[:, o])[0] for o in range(outputs)], axis=1)
    chosen = np.stack([resample(weight[:, o], KERNELS, rng) for o in range(outputs)], axis=1)
    mean = np.einsum("do,dop->op", weight, vector)
    off = vector - mean
    facts = (1.0 / (weight**2).sum(axis=0))[:, None, None]
    spread = np.einsum("do,dop,doq->opq", weight, off, off)
    spread = (facts * spread + size * root @ np.swapaxes(root, 1, 2)) / (facts + size)
    effective = np.minimum(facts, KERNELS)
    narrow = (4.0 / ((size + 2) * effective)) ** (1.0 / (size + 4))  # Silverman's rule
    narrow = np.minimum(narrow, 1.0)
    centre = mean + np.sqrt(1.0 - narrow[..., 0] ** 2) * (np.take_along_axis(vector, chosen[..., None], axis=0) - mean)
    return Around(centre, (narrow * np.linalg.cholesky(spread))[None])


@partial(compiled, static_argnums=0)
def _densities(layer: Layer, vectors: Array, evidence: Evidence) -> Array:
    """``(draw, output)``; in blocks, which stay in a processor's cache."""
    return lax.map(lambda v: jax.vmap(partial(log_density, layer))(v, evidence), vectors, batch_size=16)
