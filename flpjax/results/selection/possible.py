"""Laws drawn from their priors, and the forecast errors of ladders simulated from them.

So the first runs of a ladder are planned before anything is measured.
"""

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

STARTS, STEPS = 4, 60  # of each fit of the law: a ladder is simulated from it, so that few starts find the optimum


class PriorLaws(NamedTuple):
    """Laws drawn from their priors, and their losses at candidate runs and at the target, which is the last run.

    Attributes:
        law: The law with its discrepancy (a Gaussian process), centred on the runs.
        x: Features, leaves ``(run, …)``.
        log_loss: ``(law, run)`` expected log loss.
        amplitude: ``(law,)`` scale of each law's discrepancy.
        noise: ``(law,)`` s.d. of a run's log loss about its expectation.
    """

    law: Discrepancy
    x: Features
    log_loss: Floats
    amplitude: Floats
    noise: Floats


def possible_laws(law: Discrepancy, x: Features, number: int, rng: np.random.Generator) -> PriorLaws:
    """Draw laws from their priors, with discrepancy and noise from the priors learned on public ladders.

    Args:
        law: The law with its discrepancy, centred on the runs.
        x: Features of candidate runs and, last, of the target, leaves ``(run, …)``.
        number: How many laws to draw.
        rng: Random generator.
    """
    loc, scale = prior_normal(law)
    vectors = loc + scale * rng.standard_normal((number, len(loc)))
    amplitude, noise = (
        median * np.exp(sd * rng.standard_normal(number))
        for median, sd in (OF["log"].amplitude_prior, OF["log"].noise_prior)
    )
    params = _unpacked(law, vectors) | {"amplitude": on_device(amplitude)}
    return PriorLaws(law, x, np.log(np.asarray(_values(law, params, x))), amplitude, noise)


def errors_of(prior_laws: PriorLaws, order: list[int], most: int, truths: int, rng: np.random.Generator) -> Floats:
    """``(law,)`` forecast minus true log loss at the target: for each law, a ladder is simulated, and fitted.

    The law is fitted first. Its parameters and its discrepancy are then updated together in closed form, with the law
    linearised, and amplitude and noise as they were simulated.

    Args:
        prior_laws: The laws.
        order: Indices of the runs in the ladder.
        most: Largest number of runs; arrays are padded to it, so that all ladders share a compiled program.
        truths: The number of laws to simulate from, the first ones.
        rng: Random generator of noise and starts.
    """
    law = prior_laws.law.law
    truth, sd = prior_laws.log_loss[:truths], prior_laws.noise[:truths, None]
    rows = np.resize(order, most)
    log_loss = truth[:, rows] + sd * rng.standard_normal((truths, most))
    weight = np.tile((np.arange(most) < len(order)).astype(float), (truths, 1))
    run_features: Features = jax.tree.map(lambda v: np.broadcast_to(v[rows], (truths, *v[rows].shape)), prior_laws.x)
    y = np.exp(log_loss)
    guess = jax.vmap(lambda a, b, w: pack(law, law.guess(a, b, w)))(run_features, on_device(y), on_device(weight))
    loc, scale = prior_normal(law)
    anchor = Anchor(jnp.asarray(loc[None]), jnp.asarray((OF["log"].noise_prior[0] / scale[None]) ** 2))
    starts = spread_starts(law, np.asarray(guess), STARTS, rng)
    fits = solve(
        Residual(law),
        (run_features, y),
        weight,
        np.ones((1, most)),
        starts,
        anchor=anchor,
        settings=Settings(steps=STEPS),
    )
    vector = fits.vector[0]
    value, slope, basis = map(np.asarray, _linearised(prior_laws.law, on_device(vector), prior_laws.x))
    design = np.concatenate(
        [slope, prior_laws.amplitude[:truths, None, None] * basis[None]], axis=2
    )  # (law, run, p + cell)
    cells = basis.shape[1]
    centre = np.concatenate([loc - vector, np.zeros((truths, cells))], axis=1)
    precision = np.r_[scale**-2.0, np.ones(cells)]
    weighted_design = design[:, rows] * weight[..., None] / sd[..., None] ** 2
    hessian = np.einsum("lri,lrj->lij", weighted_design, design[:, rows]) + np.diag(precision)
    gradient = np.einsum("lri,lr->li", weighted_design, log_loss - value[:, rows]) + precision * centre
    update = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.asarray(value[:, -1] + np.einsum("li,li->l", design[:, -1], update) - truth[:, -1])


def _unpacked(law: Law, vectors: Floats) -> dict[str, Array]:
    return jax.vmap(lambda v: unpack(law, v))(on_device(vectors))


@partial(compiled, static_argnums=0)
def _values(law: Law, params: Any, x: Features) -> Array:
    """``(law, run)`` losses."""
    return jax.vmap(jax.vmap(law.apply, (None, 0)), (0, None))(params, x)


@partial(compiled, static_argnums=0)
def _linearised(law: Discrepancy, vectors: Array, x: Features) -> tuple[Array, Array, Array]:
    """Log losses ``(law, run)``, their gradients ``(law, run, p)``, and the discrepancy's basis ``(run, cell)``."""

    def log_loss(vector: Array, run: Features) -> Array:
        return jnp.log(law.law.apply(unpack(law.law, vector), run))

    def at_all_runs(of: Any) -> Any:
        return jax.vmap(jax.vmap(of, (None, 0)), (0, None))(vectors, x)

    return at_all_runs(log_loss), at_all_runs(jax.jacfwd(log_loss)), jax.vmap(law.basis)(x)
