"""Laws that the priors hold possible, and what a ladder of each would have forecast."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.settings import Settings
from flpjax.fitting.averaging.hyperpriors import OF
from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, pack, prior_normal, spread_starts, unpack
from flpjax.laws.residual import Residual
from flpjax.numerics import compiled, on_device
from flpjax.results.selection.conditioning import Floats

STARTS, STEPS = 4, 60


class Possible(NamedTuple):
    """Laws drawn from priors, at some runs and the target, which comes last.

    Attributes:
        law: With its discrepancy, centred.
        x: Features, leaves ``(run, …)``.
        log_loss: ``(law, run)`` expected.
        amplitude: ``(law,)`` of each one's discrepancy.
        noise: ``(law,)`` s.d. of a run's log loss.
    """

    law: Discrepancy
    x: Features
    log_loss: Floats
    amplitude: Floats
    noise: Floats


def possible_laws(law: Discrepancy, x: Features, number: int, rng: np.random.Generator) -> Possible:
    """Laws drawn from their priors, with discrepancies and noise as the ladders of the past had them.

    Args:
        law: Centred on the runs.
        x: The runs, leaves ``(run, …)``.
        number: How many.
        rng: Of the draws.
    """
    loc, scale = prior_normal(law)
    vectors = loc + scale * rng.standard_normal((number, len(loc)))
    amplitude, noise = (
        median * np.exp(sd * rng.standard_normal(number))
        for median, sd in (OF["log"].amplitude_prior, OF["log"].noise_prior)
    )
    params = _unpacked(law, vectors) | {"amplitude": on_device(amplitude)}
    return Possible(law, x, np.log(np.asarray(_values(law, params, x))), amplitude, noise)


def errors_of(possible: Possible, order: list[int], most: int, truths: int, rng: np.random.Generator) -> Floats:
    """``(law,)`` errors of log loss at the target, of a ladder simulated from the first few laws and fitted to each.

    The law is fitted first, and its discrepancy then beside it, as a Gaussian process about the linearised law, whose
    amplitude and noise are known.

    Args:
        possible: The laws.
        order: The runs of the ladder.
        most: At most so many runs; ladders up to there share a program.
        truths: How many laws.
        rng: Of the noise, and of starts.
    """
    law = possible.law.law
    truth, sd = possible.log_loss[:truths], possible.noise[:truths, None]
    rows = np.resize(order, most)
    log_loss = truth[:, rows] + sd * rng.standard_normal((truths, most))
    weight = np.tile((np.arange(most) < len(order)).astype(float), (truths, 1))
    here: Features = jax.tree.map(lambda v: np.broadcast_to(v[rows], (truths, *v[rows].shape)), possible.x)
    y = np.exp(log_loss)
    guess = jax.vmap(lambda a, b, w: pack(law, law.guess(a, b, w)))(here, on_device(y), on_device(weight))
    loc, scale = prior_normal(law)
    anchor = Anchor(jnp.asarray(loc[None]), jnp.asarray((OF["log"].noise_prior[0] / scale[None]) ** 2))
    starts = spread_starts(law, np.asarray(guess), STARTS, rng)
    fits = solve(
        Residual(law), (here, y), weight, np.ones((1, most)), starts, anchor=anchor, settings=Settings(steps=STEPS)
    )
    vector = fits.vector[0]
    value, slope, basis = map(np.asarray, _linearised(possible.law, on_device(vector), possible.x))
    design = np.concatenate(
        [slope, possible.amplitude[:truths, None, None] * basis[None]], axis=2
    )  # (law, run, number)
    cells = basis.shape[1]
    centre = np.concatenate([loc - vector, np.zeros((truths, cells))], axis=1)
    precision = np.r_[scale**-2.0, np.ones(cells)]
    seen = design[:, rows] * weight[..., None] / sd[..., None] ** 2
    hessian = np.einsum("lri,lrj->lij", seen, design[:, rows]) + np.diag(precision)
    gradient = np.einsum("lri,lr->li", seen, log_loss - value[:, rows]) + precision * centre
    moved = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.asarray(value[:, -1] + np.einsum("li,li->l", design[:, -1], moved) - truth[:, -1])


def _unpacked(law: Law, vectors: Floats) -> dict[str, Array]:
    return jax.vmap(lambda v: unpack(law, v))(on_device(vectors))


@partial(compiled, static_argnums=0)
def _values(law: Law, params: Any, x: Features) -> Array:
    """``(law, run)`` losses."""
    return jax.vmap(jax.vmap(law.apply, (None, 0)), (0, None))(params, x)


@partial(compiled, static_argnums=0)
def _linearised(law: Discrepancy, vectors: Array, x: Features) -> tuple[Array, Array, Array]:
    """Log losses ``(law, run)``, their slopes ``(law, run, number)``, and the discrepancy's basis ``(run, cell)``."""

    def log_loss(vector: Array, run: Features) -> Array:
        return jnp.log(law.law.apply(unpack(law.law, vector), run))

    def each(of: Any) -> Any:
        return jax.vmap(jax.vmap(of, (None, 0)), (0, None))(vectors, x)

    return each(log_loss), each(jax.jacfwd(log_loss)), jax.vmap(law.basis)(x)
