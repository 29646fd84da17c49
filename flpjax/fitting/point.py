"""One fit: the best parameters, staged as in the paper or both stages jointly."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.engine.gauss_newton import Settings
from flpjax.engine.status import Status
from flpjax.fitting.draws import Draws, StageFit, make_draws
from flpjax.fitting.joint import refine
from flpjax.fitting.staged import fit_stage, judge
from flpjax.numerics import require_x64
from flpjax.predictors.predictor import Plan, Predictor
from flpjax.runs.table import Runs

STARTS = 8


def point(
    predictor: Predictor,
    runs: Runs,
    key: Array,
    *,
    joint: bool = False,
    starts: int = STARTS,
    settings: Settings | None = None,
    strict: bool = True,
) -> Draws:
    """Fit a predictor to the runs that are not held out; returns Draws with one draw.

    Args:
        predictor: The method.
        runs: The ladder.
        key: JAX random key, for the starts.
        joint: Fit both stages in one objective (see :mod:`flpjax.fitting.joint`) instead of one after the other.
        starts: Starts per fit.
        settings: Of the solver.
        strict: Raise if any fit fails; otherwise leave that output out, with a warning.

    Raises:
        FitError: A fit did not converge.
        InputError: The ladder can't carry the predictor.
        PrecisionError: JAX is in 32 bits.
    """
    plan = bind(predictor, runs)
    vectors, fits = fit_point(plan, key, starts=starts, settings=settings or Settings())
    warnings = plan.warnings + judge(fits, strict)
    if joint:
        vectors = refine(plan, vectors, jnp.ones((1, len(plan.runs.names))))
    return make_draws(plan, vectors, "point", fits, warnings)


def bind(predictor: Predictor, runs: Runs) -> Plan:
    """Bind a predictor to the runs that a fit may see.

    Raises:
        InputError: The ladder can't carry the predictor, or every run is held out.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("fitting")
    return predictor.on(runs.training())


def fit_point(plan: Plan, key: Array, *, starts: int, settings: Settings) -> tuple[dict[str, Array], dict[str, StageFit]]:
    """Fit every stage; unconstrained vectors ``(1, output, p)``, NaN for outputs that failed, and how each ended."""
    vectors, fits = {}, {}
    for stage, stage_key in zip(plan.stages, jax.random.split(key, len(plan.stages)), strict=True):
        solution, fits[stage.name] = fit_stage(stage, stage_key, starts, settings)
        vectors[stage.name] = mask_failed(solution.vector, solution.status)
    return vectors, fits


def mask_failed(vector: Array, status: Array) -> Array:
    """NaN for fits ``(draw, output)`` that did not end at an optimum."""
    good = (status == Status.CONVERGED) | (status == Status.SINGULAR)
    return jnp.where(good[..., None], vector, jnp.nan)
