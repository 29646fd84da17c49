"""The likelihood with what it is linear in integrated out: a network's second layer, or a straight line's slopes.

Scores of many checkpoints scatter normally, and a prior is normal, so that parameters in which the law is affine can be
integrated out exactly: sampling has fewer directions, and the steepest are not among them. Draws of these parameters
follow from the others by their normal distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.posterior.by_run import pairs, sums_by_run
from flpjax.fitting.posterior.likelihood import NOISE, Layer, LayerData, PosteriorData, log_likelihood, unpacked
from flpjax.laws.law import Params, affine
from flpjax.laws.network import Network
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
        places, data = np.array(self.integrated), known.data
        params = unpacked(self.layer, self.joined(vector, known.loc[places]))
        own = {name: params[name] for name in self.layer.law.parameters()}
        products, logs = sums_by_run(self, own, params[NOISE + "sd"] ** 2, data)
        varying, factor = self._design(own, data)
        rest, one, tilt = (len(varying) + i for i in range(3))
        at = dict(zip(pairs(tilt + 1), products, strict=True))

        def over(i: int, j: int) -> Array:
            return at[min(i, j), max(i, j)]

        # Each run's offset and slope integrated out, as in the likelihood.
        offset, slope = params[NOISE + "run"], params[NOISE + "run_slope"]
        ones, tilts = 1.0 + offset**2 * over(one, one), 1.0 + slope**2 * over(tilt, tilt)
        mixed = offset * slope * over(one, tilt)
        determinant = ones * tilts - mixed**2
        columns = [*(one if k not in varying else varying.index(k) for k in range(len(places))), rest]
        factors = [*factor, 1.0]
        first, second = [offset * over(c, one) for c in columns], [slope * over(c, tilt) for c in columns]
        table: dict[tuple[int, int], Array] = {}
        for i, j in pairs(len(columns)):
            crossed = mixed * (first[i] * second[j] + second[i] * first[j])
            explained = (tilts * first[i] * first[j] + ones * second[i] * second[j] - crossed) / determinant
            total = factors[i] * factors[j] * jnp.sum(over(columns[i], columns[j]) - explained)
            table[i, j] = table[j, i] = total
        normal = jnp.stack([jnp.stack([table[i, j] for j in range(len(columns))]) for i in range(len(columns))])
        volume = jnp.sum(logs + jnp.log(determinant)) + jnp.sum(data.mask) * np.log(2.0 * np.pi)
        prior = jnp.eye(len(places), dtype=normal.dtype) / known.scale[places][None] ** 2
        return Linear(normal[:-1, :-1] + prior, normal[:-1, -1], normal[-1, -1] + volume)

    def columns(self, params: Params, data: LayerData) -> tuple[Array, ...]:
        """What the integrated parameters multiply, where it varies by row, and what the law leaves of scores.

        ``(run, checkpoint)`` each, at the given parameters of the law.
        """
        offset, each = self._affine(params, data.x)
        names = [(name, p) for name, p in self.layer.law.parameters().items() if p.affine == "linear"]
        values = [params[name][at] for name, p in names for at in np.ndindex(p.shape)]
        value = offset + sum(v * c for v, c in zip(values, each, strict=True))
        return (*(c for c in each if not isinstance(c, float)), data.y - data.zero - data.unit * value)

    def _design(self, params: Params, data: LayerData) -> tuple[list[int], list[Any]]:
        """Which integrated parameters have a column of their own, and what theirs, or ones, is to be scaled by."""
        _, each = self._affine(params, data.x)
        varying = [k for k, c in enumerate(each) if not isinstance(c, float)]
        return varying, [data.unit * c if isinstance(c, float) else data.unit for c in each]

    def _affine(self, params: Params, x: Any) -> tuple[Any, tuple[Any, ...]]:
        """The law at rows ``x`` ``(run, checkpoint, …)`` as ``offset + Σ parameter · column``, of the integrated."""
        law = self.layer.law
        if isinstance(law, Network):
            return law.affine_parts(params, x)
        names = [(name, p.shape) for name, p in law.parameters().items() if p.affine == "linear"]
        zero = {name: jnp.zeros_like(params[name]) for name, _ in names}

        def apply(moved: Params) -> Array:
            return jax.vmap(jax.vmap(partial(law.apply, {**params, **moved})))(x)

        offset = apply(zero)
        ones = [{**zero, name: zero[name].at[at].set(1.0)} for name, shape in names for at in np.ndindex(shape)]
        return offset, tuple(apply(one) - offset for one in ones)


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
