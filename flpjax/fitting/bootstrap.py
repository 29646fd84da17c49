"""Bootstrap by run: what the forecast would have been, had other runs of the same kind been trained."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.gauss_newton import Settings
from flpjax.errors import FitError
from flpjax.fitting.draws import Draws, make_draws
from flpjax.fitting.joint import refine
from flpjax.fitting.point import STARTS, bind, fit_point, mask_failed
from flpjax.fitting.staged import judge, refit_stage
from flpjax.forms.form import size
from flpjax.predictors.predictor import Plan, Predictor, Stage
from flpjax.runs.table import Runs

FAILED_SHARE = 0.05  # more failed draws than this, and the interval needs a warning


def bootstrap(
    predictor: Predictor,
    runs: Runs,
    key: Array,
    *,
    draws: int = 200,
    joint: bool = False,
    starts: int = STARTS,
    settings: Settings | None = None,
    strict: bool = True,
) -> Draws:
    """Resample whole runs with replacement and fit again; the checkpoints of one run are not independent facts.

    A draw weighs runs by how often it took them, and both stages of a draw see the same runs. A plain resample of n
    runs gives intervals too narrow by ``sqrt((n − p) / n)`` for p parameters; each draw therefore takes ``n − p`` runs
    (at least two thirds of them), whose spread is the unbiased one (Hesterberg 2015, §4).

    Args:
        predictor: The method.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws.
        joint: Fit both stages of every draw in one objective.
        starts: Starts of the point fit, from which the draws start warm.
        settings: Of the solver.
        strict: Raise if the point fit of any output fails; otherwise leave that output out, with a warning.

    Raises:
        FitError: The point fit did not converge, or there are too few runs to resample.
        InputError: The ladder can't carry the predictor.
        PrecisionError: JAX is in 32 bits.
    """
    plan = bind(predictor, runs)
    start_key, resample_key = jax.random.split(key)
    settings = settings or Settings()
    vectors, fits = fit_point(plan, start_key, starts=starts, settings=settings)
    warnings = plan.warnings + judge(fits, strict)
    counts = jnp.asarray(resample_runs(plan, resample_key, draws))
    drawn = {}
    for stage in plan.stages:
        solution = refit_stage(stage, vectors[stage.name][0], counts, settings)
        vector = mask_failed(solution.vector, solution.status)
        drawn[stage.name] = jnp.where(_determined(stage, counts)[..., None], vector, jnp.nan)
    if joint:
        drawn = refine(plan, drawn, counts)
    return make_draws(plan, drawn, "bootstrap", fits, warnings + _failures(plan, drawn))


def resample_runs(plan: Plan, key: Array, draws: int) -> NDArray[np.float64]:
    """``(draw, run)`` how often each draw takes each run; draws that can't determine stage 1 are drawn again.

    Raises:
        FitError: Nearly all resamples are degenerate: there are too few runs.
    """
    runs = len(plan.runs.names)
    first = plan.stages[0]
    parameters = size(first.form)
    taken = max(runs - parameters, -(-2 * runs // 3))
    candidates = np.asarray(jax.random.randint(key, (20 * draws, taken), 0, runs))
    counts = np.zeros((len(candidates), runs))
    np.add.at(counts, (np.arange(len(candidates))[:, None], candidates), 1.0)
    counts = counts[np.asarray(_determined(first, jnp.asarray(counts)).any(1))][:draws]
    if len(counts) < draws:
        raise FitError(
            f"{runs} runs are too few to resample for {parameters} parameters",
            where=plan.runs.source,
            remedy="Give more runs, choose a form with fewer parameters, or forecast without an interval (draws=0)",
        )
    return counts


def _determined(stage: Stage, counts: Array) -> Array:
    """``(draw, output)`` whether a resample has enough distinct runs and rows for an output's parameters."""
    member = np.zeros((len(stage.outputs), counts.shape[1]))
    np.add.at(member.T, stage.run, stage.weight.T)
    taken = counts > 0
    distinct = taken.astype(float) @ jnp.asarray((member > 0).T.astype(float))
    rows = taken.astype(float) @ jnp.asarray(member.T)
    return (rows >= size(stage.form)) & (distinct >= 2)


def _failures(plan: Plan, drawn: dict[str, Array]) -> tuple[str, ...]:
    """Warnings for outputs of which many draws could not be fitted."""
    warnings = []
    for stage in plan.stages:
        failed = np.isnan(np.asarray(drawn[stage.name])).any(-1).mean(0)
        warnings += [
            f"{stage.name} '{output}': {share:.0%} of the resamples could not be fitted and are left out of its interval"
            for output, share in zip(stage.outputs, failed, strict=True)
            if share > FAILED_SHARE
        ]
    return tuple(warnings)
