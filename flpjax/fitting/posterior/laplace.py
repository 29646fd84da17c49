"""The normal distribution at the mode: where the fast posterior begins, and what makes the exact one easy to sample.

Outputs are independent, so that everything here is a batch of small problems. In units of the prior, the prior's own
curvature is the identity: no direction is flat, whatever the data leave open.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.posterior.likelihood import Layer, PosteriorData, log_density
from flpjax.numerics import compiled, on_device

STEPS = 60
WIDE = 32  # outputs that climb together
TOLERANCE = 1e-6  # of the gradient's norm, in units of the prior
GAIN = 1e-11  # of log density, that a step must bring
STIFFEST = 1e8
FLATTEST = 0.5  # curvature that a direction is taken to have at least; the prior alone has 1


class Whitening(NamedTuple):
    """An affine map under which the mode is 0 and the posterior is about a standard normal."""

    mode: Array  # (output, p) unconstrained
    root: Array  # (output, p, p)

    def __call__(self, white: Array) -> Array:
        """White ``(output, p)`` → unconstrained."""
        return self.mode + jnp.einsum("opq,oq->op", self.root, white)


class Mode(NamedTuple):
    """Where each output's climbs ended."""

    whitening: Whitening  # leaves (start, output, …)
    gradient: NDArray[np.float64]  # (start, output) its norm there, in units of the prior


def find_modes(layer: Layer, starts: NDArray[np.float64], evidence: PosteriorData) -> Mode:
    """Damped Newton steps from each of ``(start, output, p)``, each output on its own.

    The steps are taken on the host: problems of a few parameters need no compiled solver, and compiling is what a first
    fit waits for. Of many outputs, :data:`WIDE` climb together, so that they don't wait for the slowest of all.

    Args:
        layer: The stage.
        starts: ``(start, output, p)`` unconstrained.
        evidence: Of the layer.
    """
    outputs = starts.shape[1]
    if outputs <= WIDE:
        return _find_modes(layer, starts, evidence)

    def some(at: int) -> tuple[NDArray[Any], ...]:
        index = np.minimum(np.arange(at, at + WIDE), outputs - 1)  # the last is repeated: one program serves all
        found = _find_modes(layer, starts[:, index], of_outputs(evidence, index))
        leaves = *map(np.asarray, found.whitening), found.gradient
        return tuple(leaf[:, : outputs - at] for leaf in leaves)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(some, range(0, outputs, WIDE)))
    mode, root, gradient = (np.concatenate(leaf, axis=1) for leaf in zip(*parts, strict=True))
    return Mode(Whitening(*on_device((mode, root))), gradient)


def of_outputs(evidence: PosteriorData, index: NDArray[np.intp]) -> PosteriorData:
    """Of some outputs only."""
    some: PosteriorData = jax.tree.map(lambda leaf: np.asarray(leaf)[index], evidence)
    return some


def _find_modes(layer: Layer, starts: NDArray[np.float64], evidence: PosteriorData) -> Mode:
    loc, scale = np.asarray(evidence.loc), np.asarray(evidence.scale)
    at = (starts - loc) / scale
    value, gradient, curvature = slopes(layer, at, evidence)
    value = np.where(_sound(value, gradient, curvature), value, np.inf)
    damping, gain = np.full(value.shape, 0.1), np.full(value.shape, np.inf)
    for _ in range(STEPS):
        climbing = (_norm(gradient) > TOLERANCE) & (gain > GAIN) & (damping < STIFFEST)
        if not climbing.any():
            break
        size, basis = np.linalg.eigh(np.nan_to_num(curvature))
        stiff = np.maximum(np.abs(size), FLATTEST) + damping[..., None]
        down = np.einsum("sopq,sop->soq", basis, np.nan_to_num(gradient)) / stiff
        there = at - np.einsum("sopq,soq->sop", basis, down)
        new = slopes(layer, there, evidence)
        better = climbing & (new[0] < value) & _sound(*new)
        gain = np.where(better, value - new[0], gain)
        damping = np.where(better, 0.2 * damping, np.maximum(10.0 * damping, 1.0))
        at, value, gradient = (
            np.where(better.reshape(*better.shape, *(1,) * (v.ndim - 2)), n, v)
            for n, v in ((there, at), (new[0], value), (new[1], gradient))
        )
        curvature = np.where(better[..., None, None], new[2], curvature)
    size, basis = np.linalg.eigh(np.nan_to_num(curvature))
    root = scale[..., None] * basis / np.sqrt(np.maximum(size, FLATTEST))[..., None, :]
    return Mode(Whitening(on_device(loc + scale * at), on_device(root)), _norm(gradient))


# Evaluated a few dozen times: the compiler's optimisations would take longer than they save.
@partial(compiled, static_argnums=0, options={"xla_backend_optimization_level": 0})
def _differentiated(layer: Layer, at: Array, evidence: PosteriorData) -> tuple[Array, Array, Array]:
    """Minus the log density at ``(start, output, p)`` in units of the prior, its slope and its curvature."""

    def of_one(u: Array, known: PosteriorData) -> tuple[Array, Array, Array]:
        def slope(v: Array) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = jax.value_and_grad(lambda w: -log_density(layer, known.loc + known.scale * w, known))(v)
            return gradient, (value, gradient)

        curvature, (value, gradient) = jax.jacfwd(slope, has_aux=True)(u)
        return value, gradient, curvature

    return jax.vmap(lambda u: jax.vmap(of_one)(u, evidence))(at)


def slopes(
    layer: Layer, at: NDArray[np.float64], evidence: PosteriorData
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Minus the log density ``(start, output)`` at ``at`` in units of the prior, its slope and its curvature."""
    value, gradient, curvature = (np.asarray(v) for v in _differentiated(layer, at, evidence))
    return value, gradient, curvature


def _sound(value: NDArray[Any], gradient: NDArray[Any], curvature: NDArray[Any]) -> NDArray[np.bool_]:
    """``(start, output)`` whether all of it is finite."""
    return np.isfinite(value) & np.isfinite(gradient).all(axis=-1) & np.isfinite(curvature).all(axis=(-1, -2))


def _norm(gradient: NDArray[Any]) -> NDArray[np.float64]:
    """``(start, output)``."""
    return np.asarray(np.linalg.norm(gradient, axis=-1))
