"""The likelihood with what it is linear in integrated out: a network's second layer, or a straight line's slopes.

Scores of many checkpoints scatter normally, and a prior is normal, so that parameters in which the law is affine can be
integrated out exactly: sampling has fewer directions, and the steepest are not among them. Draws of these parameters
follow from the others by their normal distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.posterior.likelihood import Layer, PosteriorData, Scatter, log_likelihood, scatter_of, unpacked
from flpjax.laws.law import affine
from flpjax.numerics import compiled

TOGETHER = 8  # draws evaluated side by side


class Linear(NamedTuple):
    """What data and priors say of the integrated parameters of ONE output, as departures from their prior means."""

    precision: Array  # (k, k) with the prior's
    pull: Array  # (k,) precision times mean
    rest: Array  # twice minus the log density of the data at the prior means


@dataclass(frozen=True)
class MarginalLikelihood:
    """Log density of one output's data given the parameters that are left: static, hashable by value.

    Attributes:
        layer: The stage.
    """

    layer: Layer

    @property
    def integrated(self) -> tuple[int, ...]:
        """Places in the layer's vector; none where scores bend at chance, or tails are heavy."""
        normal = self.layer.kind == "runs" and not self.layer.emerging
        return affine(self.layer.law, "linear") if normal else ()

    @property
    def left(self) -> tuple[int, ...]:
        """The other places."""
        entries = sum(int(np.prod(p.shape, dtype=int)) for p in self.layer.parameters().values())
        return tuple(i for i in range(entries) if i not in self.integrated)

    def __call__(self, vector: Array, known: PosteriorData) -> Array:
        """At the unconstrained parameters ``(p − k,)`` that are left; of ONE output."""
        if not self.integrated:
            return log_likelihood(self.layer, unpacked(self.layer, vector), known.data)
        found = self.linear(vector, known)
        table = jnp.block([[found.precision, found.pull[:, None]], [found.pull[None, :], found.rest[None, None]]])
        log_volume = 2.0 * jnp.sum(jnp.log(known.scale[np.array(self.integrated)]))
        for j in range(len(self.integrated)):  # what is left at the end is the rest less pull · precision⁻¹ · pull
            log_volume += jnp.log(table[j, j])
            table = table - table[:, j : j + 1] * table[j : j + 1, :] / table[j, j]
        return -0.5 * (table[-1, -1] + log_volume)

    def joined(self, left: Array, integrated: Array) -> Array:
        """The layer's vector ``(p,)``."""
        order = np.argsort([*self.left, *self.integrated])
        return jnp.concatenate([left, integrated])[order]

    def linear(self, vector: Array, known: PosteriorData) -> Linear:
        """Normal equations of the integrated parameters at those that are left ``(p − k,)``, of ONE output."""
        places = np.array(self.integrated)
        middle, count = known.loc[places], len(places)
        fixed = unpacked(self.layer, self.joined(vector, middle))

        def at(own: Array) -> Scatter:
            """Rows at integrated parameters; the others are not of the batch, so that their part is computed once."""
            params, begun = dict(fixed), 0
            for name, parameter in self.layer.law.parameters().items():
                if parameter.affine == "linear":
                    size = int(np.prod(parameter.shape, dtype=int))
                    params[name] = own[begun : begun + size].reshape(parameter.shape)
                    begun += size
            return scatter_of(self.layer, params, known.data)

        base = at(middle)
        moved = jax.vmap(lambda own: at(own).mean)(middle[None] + np.eye(count))
        data = known.data
        columns = jnp.concatenate([moved - base.mean[None], (data.y - base.mean)[None]])  # (k + 1, run, checkpoint)
        precision = data.mask / base.variance
        weighted = columns * precision[None]
        flat = (count + 1, -1)
        everything = weighted.reshape(flat) @ columns.reshape(flat).T
        # Each run's offset and slope integrated out, as in the likelihood.
        first, second = ((weighted * v[None]).sum(axis=-1) for v in (base.common, base.tilt))
        one = 1.0 + (precision * base.common**2).sum(axis=-1)
        two = 1.0 + (precision * base.tilt**2).sum(axis=-1)
        mixed = (precision * base.common * base.tilt).sum(axis=-1)
        determinant = one * two - mixed**2
        across = ((mixed / determinant)[None] * first) @ second.T
        explained = ((two / determinant)[None] * first) @ first.T + ((one / determinant)[None] * second) @ second.T
        explained = explained - across - across.T
        table = everything - explained
        logs = jnp.sum(data.mask * (jnp.log(base.variance) + jnp.log(2.0 * jnp.pi))) + jnp.sum(jnp.log(determinant))
        prior = jnp.eye(count, dtype=table.dtype) / known.scale[places][None] ** 2
        return Linear(table[:-1, :-1] + prior, table[:-1, -1], table[-1, -1] + logs)


def completed(
    likelihood: MarginalLikelihood, left: NDArray[np.float64], known: PosteriorData, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The layer's vectors ``(draw, output, p)``, the integrated parameters drawn given those that are left.

    Args:
        likelihood: Of the layer.
        left: ``(draw, output, p − k)``; NaN stays NaN.
        known: Data and priors, leaves ``(output, …)``.
        rng: For the draws.
    """
    places = np.array(likelihood.integrated, int)
    if not len(places):
        return left
    sound = np.isfinite(left).all(axis=-1, keepdims=True)
    known_left = np.asarray(known.loc)[:, np.array(likelihood.left)]
    precision, pull, _ = (np.asarray(v) for v in _linear(likelihood, np.where(sound, left, known_left), known))
    root = np.linalg.cholesky(precision)
    white = np.linalg.solve(root, pull[..., None]) + rng.standard_normal((*pull.shape, 1))
    away = np.linalg.solve(np.swapaxes(root, -1, -2), white)[..., 0]
    vectors = np.empty((*left.shape[:2], left.shape[2] + len(places)))
    vectors[..., np.array(likelihood.left)] = left
    vectors[..., places] = np.where(sound, np.asarray(known.loc)[:, places] + away, np.nan)
    return vectors


@partial(compiled, static_argnums=0)
def _linear(likelihood: MarginalLikelihood, left: Array, known: PosteriorData) -> Linear:
    """Leaves ``(draw, output, …)``."""
    return jax.lax.map(lambda v: jax.vmap(likelihood.linear)(v, known), left, batch_size=TOGETHER)
