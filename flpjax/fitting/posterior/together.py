"""Many ladders' posteriors in one program: fitted, given priors and modes, and sampled as stacks of their stages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.many_chains import Asked, Ended, Sampled, begin, settle
from flpjax.engine.settings import Settings
from flpjax.fitting.draws import StageFit
from flpjax.fitting.point import STEPS
from flpjax.fitting.posterior.importance import draw
from flpjax.fitting.posterior.laplace import Whitening, find_modes
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData, log_density, unpacked
from flpjax.fitting.posterior.nuts import OVERDISPERSED
from flpjax.fitting.posterior.stacked import Bound, Place, Stack
from flpjax.fitting.staged import Fitted, fit_stage
from flpjax.laws.law import Law, unpack
from flpjax.laws.recentred import Recentred
from flpjax.numerics import compiled, generator, on_device

Floats = NDArray[np.float64]
T = TypeVar("T")
R = TypeVar("R")
MILES = 100.0  # R-hat of chains that never met: the number says nothing more
TOGETHER, TOGETHER_WIDE = 32, 1024
"""Outputs whose modes are searched in one call, on a CPU and on an accelerator: one program serves any number."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A stack that is ready to be sampled.

    Attributes:
        stack: The stack.
        evidence: Data and priors, leaves ``(output, …)``.
        mode: ``(start, output, p)``.
        root: ``(start, output, p, p)`` of the covariance there.
        gradient: ``(output,)`` length of the slope at the best mode, in units of the prior.
        fitted: How the stage was fitted.
        constants: The paper's symbols → ``(output,)``.
    """

    stack: Stack
    evidence: PosteriorData
    mode: Floats
    root: Floats
    gradient: Floats
    fitted: Fitted
    constants: dict[str, Floats]

    def fit_of(self, place: Place, ladder: Bound) -> StageFit:
        """How the fit of one ladder's stage ended."""
        whole, own = self.fitted.report, slice(place.first, place.first + place.outputs)
        return StageFit(
            law=str(ladder.layers[place.stage].law),
            outputs=whole.outputs[own],
            status=whole.status[own],
            agree=whole.agree[own],
            condition=whole.condition[own],
            objective=whole.objective[own],
            gradient=whole.gradient[own],
            residual_sd=whole.residual_sd[own],
            start_status=whole.start_status[own],
            constants={name: values[own] for name, values in self.constants.items()},
        )


def fit_stack(stack: Stack, key: Array) -> Fitted:
    """The point fits of all outputs, in one batch."""
    rng = generator(key, crc32(stack.layer.stage.encode()))
    return fit_stage(stack.stage, np.ones((1, 1)), rng, None, Settings(steps=STEPS))


def prepare(stack: Stack, fitted: Fitted, placed: Sequence[tuple[Floats, Floats]], chains: int) -> Prepared:
    """Modes from where the fits ended.

    Args:
        stack: The stack.
        fitted: Its point fits.
        placed: Location and scale ``(output, p)`` of the priors of each of its places.
        chains: As many ends that tie are started from.
    """
    loc, scale = (np.concatenate([np.asarray(p[i]) for p in placed]) for i in (0, 1))
    evidence = PosteriorData(stack.data, *on_device((loc, scale)))
    ends = fitted.vectors[:chains]
    starts = np.repeat(loc[None], len(ends), axis=0)
    size = ends.shape[2]
    starts[:, :, :size] = np.where(np.isfinite(ends), ends, starts[:, :, :size])
    host = jax.tree.map(np.asarray, evidence)
    wide = TOGETHER if jax.default_backend() == "cpu" else TOGETHER_WIDE

    def modes(at: int) -> tuple[Floats, Floats, Floats]:
        index = np.minimum(np.arange(at, at + wide), len(loc) - 1)
        found = find_modes(stack.layer, starts[:, index], jax.tree.map(lambda leaf: leaf[index], host))
        kept = min(wide, len(loc) - at)
        mode, root = (np.asarray(leaf)[:, :kept] for leaf in found.whitening)
        return mode, root, found.gradient[:, :kept]

    mode, root, gradient = zip(*in_threads(modes, range(0, len(loc), wide)), strict=True)
    constants = _constants(stack.layer.law, fitted.vectors[0], _numbers(stack))
    return Prepared(
        stack,
        evidence,
        np.concatenate(mode, axis=1),
        np.concatenate(root, axis=1),
        np.concatenate(gradient, axis=1).min(axis=0),
        fitted,
        jax.tree.map(np.asarray, constants),
    )


def begin_chains(prepared: Prepared, ladders: Sequence[Bound], chains: int, asked: Asked, key: Array) -> Sampled:
    """Chains from around the modes; each output's random numbers depend on the names of its ladder and its own."""
    stack, mode = prepared.stack, prepared.mode
    ends = np.arange(chains) % len(mode)
    white, seeds = np.zeros((mode.shape[1], chains, mode.shape[2])), np.zeros((mode.shape[1], 2), np.uint32)
    for place in stack.places:
        for o in range(place.first, place.first + place.outputs):
            rng = generator(key, *_salts(ladders[place.ladder].name, stack.layer.stage, stack.stage.outputs[o]))
            white[o] = rng.standard_normal(white[o].shape)
            seeds[o] = rng.integers(0, 2**32, 2, dtype=np.uint32)
    starts = mode[ends].swapaxes(0, 1) + OVERDISPERSED * np.einsum("copq,ocq->ocp", prepared.root[ends], white)
    covariance = prepared.root[0] @ np.swapaxes(prepared.root[0], 1, 2)
    return begin(mode[0], covariance, starts, seeds, asked, len(_programs(stack.layer)[1](jnp.asarray(mode[0, 0]))))


def march_on(prepared: Prepared, known: Sampled, asked: Asked, progress: Callable[[str], None]) -> Sampled:
    """One more window of those that have not settled."""
    density, watched = _programs(prepared.stack.layer)
    return settle(density, watched, prepared.evidence, known, asked, most=1, progress=progress)


def draw_fast(
    prepared: Prepared, place: Place, ladder: Bound, most: int, draws: int, proposals: int, key: Array
) -> tuple[Floats, Floats, Floats]:
    """The fast path on one ladder's outputs: draws ``(draw, output, p)``, k̂ and worth ``(output,)``.

    Args:
        prepared: The stack.
        place: Where the outputs are.
        ladder: Whose they are.
        most: Outputs that any ladder has: the last is repeated up to them, so that all share programs.
        draws: How many.
        proposals: How many to choose them from.
        key: JAX random key.
    """
    index = place.first + np.minimum(np.arange(most), place.outputs - 1)
    mode, root = prepared.mode[:, index], prepared.root[:, index]
    evidence = jax.tree.map(lambda leaf: np.asarray(leaf)[index], prepared.evidence)
    rng = generator(key, *_salts(ladder.name, prepared.stack.layer.stage))
    whitening = Whitening(*on_device((mode, root)))
    vectors, khat, worth = draw(prepared.stack.layer, whitening, evidence, draws, proposals, rng)
    return vectors[:, : place.outputs], khat[: place.outputs], worth[: place.outputs]


def unsettled(sampled: Sampled, place: Place, ladder: Bound) -> str:
    """Why a ladder's stage can't be used; empty if all its lanes have settled."""
    own = slice(place.first, place.first + place.outputs)
    stage = ladder.bound.stages[place.stage]
    bad = np.flatnonzero(~np.isin(sampled.ended[own], (Ended.SETTLED, Ended.DROPPED, Ended.RUNNING)))
    if not len(bad):
        return ""
    worst = int(bad[0])
    how = Ended(int(sampled.ended[own][worst]))
    rhat = sampled.seen.rhat[own][worst].max()
    detail = f" (R-hat {rhat:.3f})" if how == Ended.APART and rhat < MILES else ""
    more = f"; so do {len(bad) - 1} more" if len(bad) > 1 else ""
    return f"{stage.name} '{stage.outputs[worst]}' {how.reason}{detail}{more}"


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """All of them, on all cores: most of it is compiled programs and NumPy, which run side by side."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(function, items))


def _salts(*names: str) -> tuple[int, ...]:
    return tuple(crc32(name.encode()) for name in names)


@cache
def _programs(layer: Layer) -> tuple[Callable[[Array, Any], Array], Callable[[Array], Array]]:
    """The density, and what must agree: parameters free and inside their supports. For a layer always the same two."""

    def watched(vector: Array) -> Array:
        return jnp.concatenate([vector, *(jnp.ravel(value) for value in unpacked(layer, vector).values())])

    return partial(log_density, layer), watched


def _numbers(stack: Stack) -> Floats:
    """``(output, k)`` of a law whose numbers come with the rows."""
    if isinstance(stack.layer.law, Recentred):
        return np.asarray(stack.stage.x[1])[:, 0]
    return np.zeros((len(stack.stage.outputs), 0))


@partial(compiled, static_argnums=0)
def _constants(law: Law, vectors: Array, numbers: Array) -> dict[str, Array]:
    """The paper's symbols → ``(output,)``."""

    def one(vector: Array, own: Array) -> dict[str, Array]:
        there = law.at(own) if isinstance(law, Recentred) else law
        return there.constants(unpack(there, vector))

    return jax.vmap(one)(vectors, numbers)
