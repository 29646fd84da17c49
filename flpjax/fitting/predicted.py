"""What draws say of targets, in blocks of few shapes: numbers of draws and targets are no part of what is compiled."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.blended import blended
from flpjax.ladder.features import Features
from flpjax.methods.blend import Blend
from flpjax.methods.method import Model, Prediction, StageParams
from flpjax.numerics import compiled, on_device

DRAWS = (16, 256)  # in a block: of a point fit or a few, and of a distribution
TARGETS = (16, 256, 4096)  # in a block
OFTEN = 8  # blocks of a size, before the next larger one is taken

Bounds = tuple[Array, Array]
"""The lowest and the highest score ``(target, task)``."""


def predict(
    model: Model,
    params: StageParams,
    compute: Features,
    noise: Prediction | None = None,
    bounds: tuple[Bounds, Bounds] | None = None,
) -> Prediction:
    """Losses ``(draw, target, domain)`` and scores ``(draw, target, task)``.

    Args:
        model: The model.
        params: Stage → parameter → ``(draw, …)``.
        compute: Leaves ``(target, …)``; or ``(draw, target, …)``, where draws differ in what a target is.
        noise: What a measured value departs from the law by: log losses ``(draw, domain)``, of those that may be
            negative losses; scores ``(draw, task)``. What a run's loss departs by moves its scores with it.
        bounds: What expected scores are kept within, and measured ones.
    """
    count = len(jax.tree.leaves(params)[0])
    of_all = np.ndim(compute.log_flops) < 2
    targets = np.shape(compute.log_flops)[-1]
    if noise is None:
        noise = Prediction(*(np.zeros((count, len(v))) for v in (model.domains, model.tasks)))  # type: ignore[arg-type]
    everything = (params, compute, noise, bounds)
    if not count * targets or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(everything)):
        each = jax.tree.map(lambda v: jnp.broadcast_to(v, (count, *jnp.shape(v))), compute) if of_all else compute
        return _block(model, params, each, noise, bounds)
    params, compute, noise, bounds = jax.tree.map(np.asarray, everything)
    if isinstance(model, Blend):
        return Prediction(*map(on_device, blended(model, params, compute, noise, bounds)))
    if of_all:
        compute = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (count, *leaf.shape)), compute)
    draws, width = _size(count, DRAWS), _size(targets, TARGETS)
    rows = []
    for first in range(0, count, draws):
        own = partial(_cut, axis=0, first=first, size=draws)
        p, x, some_noise = (jax.tree.map(own, part) for part in (params, compute, noise))
        row = []
        for at in range(0, targets, width):
            here, kept = (
                jax.tree.map(partial(_cut, axis=axis, first=at, size=width), part)
                for axis, part in ((1, x), (0, bounds))
            )
            row.append([np.asarray(v) for v in _block(model, p, here, some_noise, kept)])
        rows.append([np.concatenate(kind, axis=1) for kind in zip(*row, strict=True)])
    whole = (np.concatenate(kind)[:count, :targets] for kind in zip(*rows, strict=True))
    return Prediction(*map(on_device, whole))


@partial(compiled, static_argnums=0)
def _block(
    model: Model, params: StageParams, compute: Features, noise: Prediction, bounds: tuple[Bounds, Bounds] | None
) -> Prediction:
    """As :func:`predict`, of leaves ``(draw, target, …)`` of the compute."""

    def one(p: StageParams, deviation: Prediction, x: Features, kept: tuple[Bounds, Bounds] | None) -> Prediction:
        loss, score = model.apply(p, x)
        loss = measured(model, loss, deviation.loss)
        through = model.score_from_loss(p, loss)
        score = score if through is None else through
        if kept is None:
            return Prediction(loss, score + deviation.score)
        score = jnp.clip(score, *kept[0])
        return Prediction(loss, jnp.clip(score + deviation.score, *kept[1]))

    return jax.vmap(jax.vmap(one, (None, None, 0, 0)), (0, 0, 0, None))(params, noise, compute, bounds)


def signed_domains(model: Model) -> NDArray[np.bool_]:
    """``(domain,)`` whether a loss may be negative."""
    signed = getattr(model, "signed", ()) or (False,) * len(model.domains)
    return np.array(signed, bool)


def measured(model: Model, loss: Array | NDArray[np.float64], noise: Array | NDArray[np.float64]) -> Array:
    """Measured losses ``(…, domain)``: expected times a ratio, or, where they may be negative, plus a difference.

    Args:
        model: Of the losses.
        loss: Expected.
        noise: The logarithm of the ratio, or the difference.
    """
    signed = signed_domains(model)
    if not signed.any():
        return jnp.asarray(loss * jnp.exp(noise))
    return jnp.where(signed, loss + noise, loss * jnp.exp(jnp.where(signed, 0.0, noise)))


def _size(count: int, sizes: tuple[int, ...]) -> int:
    return next((size for size in sizes if count <= OFTEN * size), sizes[-1])


def _cut(leaf: NDArray[Any], axis: int, first: int, size: int) -> NDArray[Any]:
    """A block along an axis, filled up by repeating its last part."""
    part = leaf[(slice(None),) * axis + (slice(first, first + size),)]
    more = size - part.shape[axis]
    last = part[(slice(None),) * axis + (slice(-1, None),)]
    return part if not more else np.concatenate([part, np.repeat(last, more, axis=axis)], axis=axis)
