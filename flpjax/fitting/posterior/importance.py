"""The fast posterior: draws from around the modes, then from around the best of those, weighed by the exact density.

A posterior of a few parameters is often bent, and what a bent one needs is no better normal distribution but more
rounds: kernels about draws that the rounds before found likely (West 1993). All draws of all rounds count, each weighed
against the mixture of all that proposed them (Cornuet et al. 2012). Tails of the weights are smoothed, and k̂ says
whether they can be trusted (Vehtari et al. 2024, PSIS).

Where importance alone draws too narrow a posterior, a population moves on it. Differential evolution Markov chains (ter
Braak 2006): a member steps along the difference of two others, so that the population itself tells the scale and the
direction of steps, nothing is tuned and no slope is needed. Halves step in turn, each by the differences within the
other, which leaves the posterior as it is (Foreman-Mackey et al. 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray
from scipy.special import logsumexp

from flpjax.fitting.diagnostics import worth_of_distinct, worth_of_looks
from flpjax.fitting.posterior.laplace import Whitening
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData, log_density
from flpjax.fitting.posterior.weights import resample, smoothed
from flpjax.numerics import compiled

Floats = NDArray[np.float64]
SWEEPS, APART = 300, 25
FULL = 2.38  # steps of this over the root of twice the parameters suit a normal distribution (ter Braak 2006) …
LEAST = 0.3  # … and a bent one's are shorter: by a factor from here to 1
LEAP = 0.1  # share of steps that go from one member's place by all that lies between two others: from bend to bend
JITTER = 1e-5  # of a step, so that no direction is closed
TOGETHER = 16  # densities evaluated side by side, of draws and outputs: more would leave a processor's cache
Half = tuple[Array, Array]
"""Places ``(draw, output, p)``, and log densities ``(draw, output)`` there."""


@partial(compiled, static_argnums=(0, 4))
def de_mcmc(layer: Layer, vectors: Array, evidence: PosteriorData, key: Array, times: int) -> Array:
    """The same population after :data:`SWEEPS` steps, and again after every :data:`APART` more.

    Args:
        layer: The stage.
        vectors: ``(draw, output, p)`` unconstrained; an even number of draws.
        evidence: Of the layer.
        key: JAX random key.
        times: How often to look; static.

    Returns:
        ``(time, draw, output, p)``.
    """
    half = len(vectors) // 2
    usual = FULL / (2.0 * vectors.shape[-1]) ** 0.5

    def density(members: Array) -> Array:
        return _in_lots(layer, members, evidence)

    def step(halves: tuple[Half, Half], key: Array) -> tuple[tuple[Half, Half], None]:
        """The first half steps, and the other is next."""
        (place, height), (others, _) = halves
        pair, apart, length, leap, shake, luck = jax.random.split(key, 6)
        shape = height.shape
        first = jax.random.randint(pair, shape, 0, half)
        second = (first + jax.random.randint(apart, shape, 1, half)) % half
        way = jnp.take_along_axis(others, first[..., None], 0) - jnp.take_along_axis(others, second[..., None], 0)
        scale = usual * jax.random.uniform(length, shape, place.dtype, LEAST, 1.0)
        scale = jnp.where(jax.random.uniform(leap, shape) < LEAP, 1.0, scale)
        there = place + scale[..., None] * way + JITTER * jax.random.normal(shake, place.shape, place.dtype)
        new = density(there)
        taken = jnp.log(jax.random.uniform(luck, shape, place.dtype)) < new - height
        return (halves[1], (jnp.where(taken[..., None], there, place), jnp.where(taken, new, height))), None

    def later(halves: tuple[Half, Half], keys: Array) -> tuple[tuple[Half, Half], Array]:
        each = jax.vmap(jax.random.split)(keys).reshape(-1)  # of both halves' steps, in turn
        (one, other), _ = lax.scan(step, halves, each)
        return (one, other), jnp.concatenate([one[0], other[0]])

    # One loop in another, whose body has the density once: each place where it stands is compiled anew.
    height = density(vectors)
    halves = (vectors[:half], height[:half]), (vectors[half:], height[half:])
    first, more = jax.random.split(key)
    before = jax.random.split(first, SWEEPS - APART).reshape(-1, APART)
    keys = jnp.concatenate([before, jax.random.split(more, (times, APART))])
    _, seen = lax.scan(later, halves, keys)
    return seen[len(before) :]


TAILS = 3.0  # degrees of freedom of proposals: of 6, 4 and 3 the last has the smallest k-hat on both ladders tried
ROUNDS = 8  # of as many draws each; the first comes from around the modes
KERNELS = 64
WIDE = 1.3  # times what suits a density's estimate: kernels must reach beyond the draws that are known
FINITE = 0.5  # k-hat beyond which weights have no finite variance
POPULATION = 500  # members
BLOCK = 256  # draws whose density is evaluated at a time: one program serves any number of draws


class Weighted(NamedTuple):
    """Draws, and how far the posterior's density departs from that of what proposed them."""

    vector: Floats  # (draw, output, p)
    log_ratio: Floats  # (draw, output)

    def weights(self) -> tuple[Floats, Floats]:
        """Smoothed, ``(draw, output)``, and k̂ ``(output,)`` of their tails."""
        each = [smoothed(self.log_ratio[:, o]) for o in range(self.log_ratio.shape[1])]
        return np.stack([weight for weight, _ in each], axis=1), np.array([k for _, k in each])


class StudentTMixture(NamedTuple):
    """Student's t about several points alike, each output on its own."""

    centre: Floats  # (root, centre, output, p)
    root: Floats  # (root, output, p, p) the centres' own scales

    def draw(self, draws: int, rng: np.random.Generator) -> Floats:
        """``(draw, output, p)``, from all centres alike."""
        roots, centres, outputs, size = self.centre.shape
        mixing = rng.chisquare(TAILS, (draws, outputs, 1)) / TAILS
        white = rng.standard_normal((draws, outputs, size)) / np.sqrt(mixing)
        number = np.arange(draws)
        scale, centre = number % roots, number // roots % centres
        return np.asarray(self.centre[scale, centre] + np.einsum("dopq,doq->dop", self.root[scale], white))

    def log_density(self, vector: Floats) -> Floats:
        """``(draw, output)`` up to a constant that depends on the number of parameters alone."""
        draws, outputs, size = vector.shape
        inverse = np.linalg.inv(self.root)
        volume = np.linalg.slogdet(inverse)[1]
        power = int(TAILS) + size
        found = np.full((draws, outputs), -np.inf)
        for r, o in np.ndindex(len(self.root), outputs):
            there = self.centre[r, :, o].mean(axis=0)
            at, centre = (vector[:, o] - there) @ inverse[r, o].T, (self.centre[r, :, o] - there) @ inverse[r, o].T
            square = (at**2).sum(axis=1)[:, None] - 2.0 * at @ centre.T + (centre**2).sum(axis=1)
            near = 1.0 / (1.0 + np.maximum(square, 0.0) / TAILS)
            tails = np.sqrt(near) if power % 2 else np.ones_like(near)
            for _ in range(power // 2):  # a whole power by products: by logarithms it takes five times as long
                tails *= near
            found[:, o] = np.logaddexp(found[:, o], volume[r, o] + np.log(tails.sum(axis=1)))
        return found - np.log(self.centre.shape[0] * self.centre.shape[1])


def draw(
    layer: Layer, whitening: Whitening, evidence: PosteriorData, draws: int, proposals: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Draws of a layer's posterior, each output on its own: they are independent.

    Where the weights of some output have so heavy a tail that their variance is not finite, importance draws it too
    narrow; then all outputs' draws go on as a population.

    Args:
        layer: The stage.
        whitening: Around each mode, leaves ``(start, output, …)``.
        evidence: Of the layer.
        draws: How many.
        proposals: How many to choose them from.
        rng: For all of it.

    Returns:
        Unconstrained ``(draw, output, p)``, k̂ ``(output,)`` of the weights, and how many different draws they
        are worth, ``(output,)``.
    """
    found = explore(layer, whitening, evidence, proposals, rng)
    weight, khat = found.weights()
    heavy = bool((khat > FINITE).any())
    members = POPULATION if heavy else draws
    kept = [found.vector[resample(own, members, rng), o] for o, own in enumerate(weight.T)]
    vectors = np.stack(kept, axis=1)
    worth = worth_of_distinct(vectors[..., 0])
    if heavy:
        key = jax.random.key(int(rng.integers(2**31)))
        seen = de_mcmc(layer, jnp.asarray(vectors), evidence, key, -(-draws // POPULATION))
        worth = worth_of_looks(np.asarray(seen))
        vectors = rng.permutation(np.asarray(seen).reshape(-1, *vectors.shape[1:]))
    return vectors[:draws], khat, np.minimum(worth, draws)


def explore(
    layer: Layer,
    whitening: Whitening,
    evidence: PosteriorData,
    draws: int,
    rng: np.random.Generator,
    rounds: int | None = None,
) -> Weighted:
    """Draws in rounds of a layer's posterior, as :func:`explore_density` makes them.

    Args:
        layer: The stage.
        whitening: Around each mode, leaves ``(start, output, …)``; draws come from all of them alike.
        evidence: Of the layer.
        draws: How many, :data:`ROUNDS` at least.
        rng: For the draws: on the host, where they need no compiled program.
        rounds: At most; None for :data:`ROUNDS`.
    """
    mode, root = np.asarray(whitening.mode), np.asarray(whitening.root)
    return explore_density(lambda vectors: _densities(layer, vectors, evidence), mode, root, draws, rng, rounds)


def explore_density(
    log_density_of: Callable[[Floats], Floats],
    mode: Floats,
    root: Floats,
    draws: int,
    rng: np.random.Generator,
    rounds: int | None = None,
) -> Weighted:
    """Draws in rounds, with the log ratio of a density to theirs.

    Once no output's weights have a heavy tail, all that is left is drawn as before, and kernels are made no more.

    Args:
        log_density_of: Vectors ``(draw, output, p)`` to ``(draw, output)``.
        mode: ``(start, output, p)``; draws come from around all of them alike.
        root: ``(start, output, p, p)`` square roots of covariances there.
        draws: How many, :data:`ROUNDS` at least.
        rng: For the draws.
        rounds: At most; None for :data:`ROUNDS`.
    """
    outputs, size = root.shape[1:3]
    most = ROUNDS if rounds is None else rounds
    proposals = [StudentTMixture(mode[:, None], root)]
    log_density, counts = [np.zeros((0, outputs))], [0]
    vector, density, light = np.zeros((0, outputs, size)), np.zeros((0, outputs)), False
    while True:
        last = light or len(proposals) == most
        new = proposals[-1].draw(draws - len(vector) if last else draws // ROUNDS, rng)
        log_density = [
            np.concatenate([known, p.log_density(new)]) for known, p in zip(log_density, proposals, strict=True)
        ]
        counts[-1] += len(new)
        vector = np.concatenate([vector, new])
        density = np.concatenate([density, log_density_of(new)])
        share = np.log(np.array(counts) / len(vector))[:, None, None]
        found = Weighted(vector, density - logsumexp(share + np.stack(log_density), axis=0))
        if len(vector) == draws:
            return found
        weight, khat = found.weights()
        light = bool((khat <= FINITE).all())
        if not light:
            proposals.append(_kernels(vector, weight, root[0], rng))
            log_density.append(proposals[-1].log_density(vector))
            counts.append(0)


def _kernels(vector: Floats, weight: Floats, root: Floats, rng: np.random.Generator) -> StudentTMixture:
    """Kernels about likely draws, which together spread a little more than all draws do by their weights.

    Args:
        vector: ``(draw, output, p)``.
        weight: ``(draw, output)``.
        root: ``(output, p, p)`` of the normal at the mode, which counts for as many draws as it has parameters.
        rng: For the choice.
    """
    outputs, size = vector.shape[1:]
    chosen = np.stack([resample(weight[:, o], KERNELS, rng) for o in range(outputs)], axis=1)
    mean = np.einsum("do,dop->op", weight, vector)
    deviation = vector - mean
    n_effective = (1.0 / (weight**2).sum(axis=0))[:, None, None]
    spread = np.einsum("do,dop,doq->opq", weight, deviation, deviation, optimize=True)
    spread = (n_effective * spread + size * root @ np.swapaxes(root, 1, 2)) / (n_effective + size)
    narrow = (4.0 / ((size + 2) * np.minimum(n_effective, KERNELS))) ** (1.0 / (size + 4))  # Silverman's rule
    centre = np.take_along_axis(vector, chosen[..., None], axis=0)
    return StudentTMixture(centre[None], (np.minimum(WIDE * narrow, 1.0) * np.linalg.cholesky(spread))[None])


def _densities(layer: Layer, vectors: Floats, evidence: PosteriorData) -> Floats:
    """``(draw, output)``, block by block; the last is filled up."""
    padded = np.concatenate([vectors, np.repeat(vectors[-1:], -len(vectors) % BLOCK, axis=0)])
    blocks = padded.reshape(-1, BLOCK, *vectors.shape[1:])
    return np.concatenate([np.asarray(_block(layer, jnp.asarray(b), evidence)) for b in blocks])[: len(vectors)]


@partial(compiled, static_argnums=0)
def _block(layer: Layer, vectors: Array, evidence: PosteriorData) -> Array:
    """``(draw, output)``."""
    return _in_lots(layer, vectors, evidence)


def _in_lots(layer: Layer, vectors: Array, evidence: PosteriorData) -> Array:
    """``(draw, output)``; in lots, which stay in a processor's cache."""
    lot = max(TOGETHER // vectors.shape[1], 1)
    return lax.map(lambda v: jax.vmap(partial(log_density, layer))(v, evidence), vectors, batch_size=lot)
