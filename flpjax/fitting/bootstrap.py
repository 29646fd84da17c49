"""Bootstrap by run: what the forecast would have been, had other runs of the same kind been trained."""

from __future__ import annotations

import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import gammaincinv

from flpjax.engine.gauss_newton import Settings
from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws, make_draws
from flpjax.fitting.joint import refine
from flpjax.fitting.point import STARTS, bind, fit_stages
from flpjax.fitting.staged import Vectors, judge, rows_per_run
from flpjax.forms.form import size
from flpjax.numerics import generator
from flpjax.predictors.predictor import Plan, Predictor
from flpjax.runs.table import Runs

FAILED_SHARE = 0.05  # more failed draws than this, and the interval needs a warning
FEW_RUNS = 5  # an interval that rests on fewer is wide, and says so
RESAMPLE_SALT, SPREAD_SALT = 1000, 1001


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

    A draw weighs runs by how often it took them, and both stages of a draw see the same runs. With few runs a plain
    resample is overconfident, and ladders have few: see :func:`spread`.

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
        InputError: The ladder can't carry the predictor, or has too few runs for an interval.
        PrecisionError: JAX is in 32 bits.
    """
    if draws < 1:
        raise InputError(f"{draws} draws", where="bootstrap", remedy="Ask for 1 at least, or use point() for none")
    plan = bind(predictor, runs)
    resampled = resample_runs(plan, generator(key, RESAMPLE_SALT), draws)
    counts = np.concatenate([np.ones((1, resampled.shape[1])), resampled])
    vectors, fits = fit_stages(plan, counts, key, starts, settings)
    warnings = plan.warnings + judge(fits, strict)
    drawn = {name: vector[1:] for name, vector in vectors.items()}
    best = {name: vector[:1] for name, vector in vectors.items()}
    if joint:
        drawn, best = refine(plan, drawn, resampled), refine(plan, best, counts[:1])
    drawn = spread(plan, drawn, best, generator(key, SPREAD_SALT))
    return make_draws(plan, drawn, "bootstrap", fits, warnings + _few_runs(plan) + _failures(plan, drawn))


def resample_runs(plan: Plan, rng: np.random.Generator, draws: int) -> NDArray[np.float64]:
    """``(draw, run)`` how often each draw takes each run; draws that can't determine stage 1 are drawn again.

    Raises:
        InputError: A law passes through all its runs exactly, which leaves nothing to say how sure it is.
        FitError: Nearly all resamples are degenerate: there are too few runs.
    """
    runs, parameters = len(plan.runs.names), size(plan.stages[0].form)
    for output, rows in zip(plan.stages[0].outputs, rows_per_run(plan.stages[0], runs), strict=True):
        if rows.sum() <= parameters:
            raise InputError(
                f"{type(plan.stages[0].form).__name__} passes exactly through {rows.sum():.0f} runs, which leaves "
                "nothing to say how sure it is",
                where=f"{plan.runs.source}, {plan.stages[0].name} '{output}'",
                remedy="Give more runs, choose a form with fewer parameters, or forecast without an interval (draws=0)",
            )
    counts = rng.multinomial(runs, np.full(runs, 1.0 / runs), size=20 * draws).astype(float)
    in_stage = rows_per_run(plan.stages[0], runs).max(0) > 0
    distinct = (counts[:, in_stage] > 0).sum(1)
    counts = counts[distinct >= max(parameters, 2)][:draws]
    if len(counts) < draws:
        raise FitError(
            f"{runs} runs are too few to resample for {parameters} parameters",
            where=plan.runs.source,
            remedy="Give more runs, choose a form with fewer parameters, or forecast without an interval (draws=0)",
        )
    return counts


def spread(plan: Plan, drawn: Vectors, best: Vectors, rng: np.random.Generator) -> Vectors:
    """Widen draws by what few runs hide: from a normal's spread to that of Student's t.

    A mean over k runs has a bootstrap variance too small by ``(k − 1) / k``, and its error over its *estimated*
    standard error follows t with k − 1 degrees of freedom, which no resample shows (Hesterberg 2015, §4.1). Each draw's
    departure from the point fit is therefore multiplied by ``sqrt(k / χ²)``, with χ² of k − p degrees of freedom for p
    parameters: about 1.1 for 16 runs, with heavy tails for 3. For a task, k counts the runs that have emerged.

    Args:
        plan: The bound predictor.
        drawn: Stage → unconstrained ``(draw, output, p)``.
        best: Stage → ``(1, output, p)`` the point fit.
        rng: One uniform number a draw, shared by all outputs of all stages.
    """
    uniform = rng.uniform(size=len(next(iter(drawn.values()))))
    widened = {}
    for stage in plan.stages:
        informed = (rows_per_run(stage, len(plan.runs.names)) > 0).sum(1)
        freedom = np.maximum(informed - size(stage.form), 1)
        chi_squared = 2.0 * gammaincinv(0.5 * freedom[None, :], uniform[:, None])
        factor = np.sqrt(informed[None, :] / chi_squared)
        centre = best[stage.name]
        widened[stage.name] = centre + factor[:, :, None] * (drawn[stage.name] - centre)
    return widened


def _few_runs(plan: Plan) -> tuple[str, ...]:
    """One warning for all outputs of a stage that few runs inform."""
    warnings = []
    for stage in plan.stages:
        informed = (rows_per_run(stage, len(plan.runs.names)) > 0).sum(1)
        few = [f"'{o}' ({k})" for o, k in zip(stage.outputs, informed, strict=True) if k < FEW_RUNS]
        if few:
            what = "emerged runs" if stage.name == "score" else "runs"
            warnings.append(f"{stage.name} {', '.join(few)}: intervals rest on so few {what}, and are wide for it")
    return tuple(warnings)


def _failures(plan: Plan, drawn: Vectors) -> tuple[str, ...]:
    """Warnings for outputs of which many draws could not be fitted."""
    warnings = []
    for stage in plan.stages:
        failed = np.isnan(drawn[stage.name]).any(-1).mean(0)
        for share in sorted({f for f in failed if f > FAILED_SHARE}):
            names = ", ".join(f"'{o}'" for o, f in zip(stage.outputs, failed, strict=True) if f == share)
            warnings.append(
                f"{share:.0%} of the resamples could not be fitted for {stage.name} {names}: intervals leave them out"
            )
    return tuple(warnings)
