"""The staged fit of the paper: each stage on its own, all outputs and all draws as one batch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.engine.batch import Solution, conditioning, solve
from flpjax.engine.gauss_newton import Anchor, Settings
from flpjax.engine.objective import rho
from flpjax.engine.status import Status
from flpjax.errors import FitError
from flpjax.fitting.draws import StageFit
from flpjax.forms.form import Form, pack, prior_normal, sample_starts, unpack
from flpjax.forms.residual import Residual
from flpjax.predictors.predictor import Stage

CONDITION_LIMIT = 1e8  # beyond this, float64 leaves fewer than 8 digits of the parameters


def fit_stage(stage: Stage, key: Array, starts: int, settings: Settings) -> tuple[Solution, StageFit]:
    """Point fit of every output of a stage from many starts.

    Args:
        stage: The batch of fits.
        key: For the starts; every output gets its own.
        starts: How many starts an output gets.
        settings: Of the solver.
    """
    x, y, weight = jax.tree.map(jnp.asarray, (stage.x, stage.y, stage.weight))
    first = _starts(stage.form, starts, jax.random.split(key, len(stage.outputs)), x, y, weight)
    every = jnp.ones((1, y.shape[1]))
    solution = _solve(stage.residual, (x, y), weight, every, first, settings)
    vector = solution.vector[0]
    condition = conditioning(stage.residual, stage.residual.huber, (x, y), weight, vector)
    constants = jax.vmap(lambda v: stage.form.constants(unpack(stage.form, v)))(vector)
    residual = np.asarray(jax.vmap(stage.residual)(vector, (x, y)))
    squares = (stage.weight * residual**2).sum(1) / stage.weight.sum(1)
    fit = StageFit(
        form=str(stage.form),
        outputs=stage.outputs,
        status=np.asarray(solution.status[0]),
        agree=np.asarray(solution.agree[0]),
        condition=np.asarray(condition),
        objective=np.asarray(solution.value[0]),
        residual_sd=np.sqrt(squares),
        start_status=np.asarray(solution.starts.status[0]),
        constants={k: np.asarray(v) for k, v in constants.items()},
    )
    return solution, fit


def refit_stage(stage: Stage, vector: Array, counts: Array, settings: Settings) -> Solution:
    """Fit a stage again under resampled runs, warm from the point fit and from the form's own guess.

    Args:
        stage: The batch of fits.
        vector: ``(output, p)`` the point fit.
        counts: ``(draw, run)`` how often each draw takes each run.
        settings: Of the solver.
    """
    x, y, weight = jax.tree.map(jnp.asarray, (stage.x, stage.y, stage.weight))
    keys = jax.random.split(jax.random.key(0), len(stage.outputs))  # one start is the guess: no randomness is used
    guess = _starts(stage.form, 1, keys, x, y, weight)
    starts = jnp.concatenate([vector[:, None, :], guess], axis=1)
    resample = counts[:, stage.run]
    return _solve(stage.residual, (x, y), weight, resample, starts, settings)


def judge(fits: dict[str, StageFit], strict: bool) -> tuple[str, ...]:
    """Warnings about point fits that ended badly.

    Raises:
        FitError: A fit did not converge, and ``strict`` is set.
    """
    warnings = []
    for name, fit in fits.items():
        for i, output in enumerate(fit.outputs):
            status = Status(int(fit.status[i]))
            where = f"{fit.form.partition('(')[0]} for {name} '{output}'"
            if not status.usable:
                if strict:
                    raise FitError("the fit did not converge", where=where, remedy=_sentence(status.advice))
                warnings.append(f"{where}: the fit did not converge and is left out: {status.advice}")
            elif status == Status.SINGULAR or fit.condition[i] > CONDITION_LIMIT:
                warnings.append(
                    f"{where}: condition number {fit.condition[i]:.0e}: {Status.SINGULAR.advice}; trust forecasts "
                    "only along the direction of the ladder"
                )
            elif fit.agree[i] <= 1.5 / fit.start_status.shape[1]:
                warnings.append(f"{where}: only one of {fit.start_status.shape[1]} starts found the best optimum")
    return tuple(warnings)


def _solve(
    residual: Residual, data: object, weight: Array, resample: Array, starts: Array, settings: Settings
) -> Solution:
    anchor = None
    if residual.prior_sd is not None:
        loc, scale = prior_normal(residual.form)
        anchor = Anchor(loc, (residual.prior_sd / scale) ** 2)
    return solve(residual, data, weight, resample, starts, anchor=anchor, huber=residual.huber, settings=settings)


@partial(jax.jit, static_argnums=(0, 1))
def _starts(form: Form, count: int, keys: Array, x: object, y: Array, weight: Array) -> Array:
    """``(output, start, p)``: the form's guess first."""
    if count == 1:
        return jax.vmap(lambda *a: pack(form, form.guess(*a))[None, :])(x, y, weight)
    return jax.vmap(lambda k, *a: sample_starts(form, k, *a, count))(keys, x, y, weight)


def objective_value(stage: Stage, vector: Array) -> Array:
    """``(output,)`` the sum of losses of a stage at unconstrained ``(output, p)``."""
    residual = jax.vmap(stage.residual)(vector, (stage.x, stage.y))
    return jnp.sum(jnp.asarray(stage.weight) * rho(residual, stage.residual.huber), axis=1)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
