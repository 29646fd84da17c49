"""Bootstrap by run: what the forecast would have been, had other runs of the same kind been trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import gammaincinv

from flpjax.engine.settings import Settings, Status
from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws, check_draw_count, make_draws
from flpjax.fitting.joint import refine
from flpjax.fitting.point import bind, fit_stages
from flpjax.fitting.staged import Vectors, judge, rows_per_run
from flpjax.laws.law import determined_by, size
from flpjax.methods.method import BoundModel, Method
from flpjax.numerics import generator
from flpjax.readers.read import Table, read_runs

FAILED_SHARE = 0.05  # more failed draws than this, and the interval needs a warning
FEW_RUNS = 5  # an interval that rests on fewer is wide, and says so
RESAMPLE_SALT = 1000
RESAMPLED = 400  # draws: each is a fit
CANDIDATES = 20  # resamples tried for each one kept


def bootstrap(
    method: Method,
    runs: Table,
    key: Array,
    *,
    draws: int = RESAMPLED,
    joint: bool = False,
    starts: int | None = None,
    settings: Settings | None = None,
    strict: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Resample whole runs with replacement and fit again; the checkpoints of one run are not independent facts.

    A draw weighs runs by how often it took them, and both stages of a draw see the same runs. With few runs a plain
    resample is overconfident, and ladders have few: see :func:`resample_runs`.

    Args:
        method: The method.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws.
        joint: Fit both stages of every draw in one objective.
        starts: Starts of the point fit, from which the draws start warm; None for 8, or 32 of a network, whose draws
            start from all ends that tie.
        settings: Of the solver.
        strict: Raise if the point fit of any output fails; otherwise leave that output out, with a warning.
        progress: Called with what is fitted, before it is.

    Raises:
        FitError: The point fit did not converge, or there are too few runs to resample.
        InputError: The ladder can't carry the method, or has too few runs for an interval.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    check_draw_count(draws, 1, "bootstrap", len(runs.names), "; point() makes none")
    bound = bind(method, runs)
    size_rng = generator(key, RESAMPLE_SALT)
    uniform = size_rng.uniform(size=CANDIDATES * draws)
    resampled, uniform = resample_runs(bound, size_rng, uniform, draws)
    counts = np.concatenate([np.ones((1, resampled.shape[1])), resampled])
    vectors, statuses, fits = fit_stages(bound, counts, key, starts, settings, progress)
    warnings = bound.warnings + judge(fits, strict)
    if joint:
        if progress is not None:
            progress("both stages jointly")
        vectors = refine(bound, vectors, counts)
    drawn = spread(bound, vectors, uniform)
    warnings += _few_runs(bound) + _failures(bound, drawn, statuses)
    return make_draws(bound, drawn, "bootstrap", fits, warnings)


def resample_runs(
    bound: BoundModel, rng: np.random.Generator, uniform: NDArray[np.float64], draws: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each draw takes each run: more spread than a plain resample has, by what few runs hide.

    The error of a mean over n runs, divided by its *estimated* standard error, follows Student's t, which no resample
    of n runs shows; and a resample's variance is too small by ``(n − 1) / n`` (Hesterberg 2015, §4.1). A draw here
    takes m runs, with m from a χ² distribution with n − p degrees of freedom for p parameters: its variance is n/m
    times that of a plain resample, and the draws together spread as t does. Every draw stays a fit to real runs, which
    is also the limit: a mean over 4 runs never leaves their range, and its 90 % interval holds 75 % (over 7, 88 %).

    Args:
        bound: The bound method.
        rng: For the runs.
        uniform: ``(candidate,)`` the level of each candidate's m in its distribution.
        draws: How many to keep; candidates that can't determine stage 1 are passed over.

    Returns:
        Counts ``(draw, run)`` and the levels ``(draw,)`` of the draws kept.

    Raises:
        InputError: A law passes through all its runs exactly, which leaves nothing to say how sure it is.
        FitError: Nearly all resamples are degenerate: there are too few runs.
    """
    first = bound.stages[0]
    runs = len(bound.runs.names)
    in_stage = rows_per_run(first, runs).max(0) > 0
    parameters = determined_by(first.law, int(in_stage.sum()))
    remedy = "Give more runs, choose a form with fewer parameters, or forecast without an interval (draws=0)"
    if in_stage.sum() <= parameters:
        raise InputError(
            f"{type(first.law).__name__} passes exactly through {in_stage.sum()} runs, which leaves nothing to say "
            "how sure it is",
            where=bound.runs.source,
            remedy=remedy,
        )
    taken = _chi_squared(in_stage.sum() - parameters, uniform) * runs / in_stage.sum()
    whole = np.floor(taken + rng.uniform(size=len(taken))).astype(int)
    counts = rng.multinomial(np.maximum(whole, parameters), np.full(runs, 1.0 / runs)).astype(float)
    good = (counts[:, in_stage] > 0).sum(1) >= max(parameters, 2)
    if good.sum() < draws:
        raise FitError(
            f"{runs} runs are too few to resample for {parameters} parameters", where=bound.runs.source, remedy=remedy
        )
    return counts[good][:draws], uniform[good][:draws]


def spread(bound: BoundModel, vectors: Vectors, uniform: NDArray[np.float64]) -> Vectors:
    """Widen the draws of outputs that fewer runs inform than stage 1: a task that has emerged in three runs only.

    What :func:`resample_runs` gave all outputs was right for the runs of stage 1. The rest of the way to Student's t
    for k runs is a factor on each draw's departure from the point fit, which for a straight line is the same thing.

    Args:
        bound: The bound method.
        vectors: Stage → unconstrained ``(1 + draw, output, p)``, the point fit first.
        uniform: ``(draw,)`` the level of each draw's size in its distribution.

    Returns:
        Stage → unconstrained ``(draw, output, p)``.
    """
    runs = len(bound.runs.names)
    informed_first = int((rows_per_run(bound.stages[0], runs).max(0) > 0).sum())
    given = informed_first / _chi_squared(informed_first - determined_by(bound.stages[0].law, informed_first), uniform)
    widened: Vectors = {}
    for stage in bound.stages:
        best, drawn = vectors[stage.name][:1], vectors[stage.name][1:]
        informed = (rows_per_run(stage, runs) > 0).sum(1)
        factor = np.ones((len(drawn), len(informed)))
        for i, k in enumerate(informed):
            if k < informed_first and stage.recipe is None:  # networks have no straight line through their weights
                needed = k / _chi_squared(max(k - size(stage.law), 1), uniform)
                factor[:, i] = np.sqrt(np.maximum(needed / given, 1.0))
        factor = factor[:, :, None]
        widened[stage.name] = np.where(factor == 1.0, drawn, best + factor * (drawn - best))
    return widened


def _chi_squared(freedom: int, level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of the χ² distribution."""
    return 2.0 * gammaincinv(0.5 * freedom, level)


def _few_runs(bound: BoundModel) -> tuple[str, ...]:
    """One warning for all outputs of a stage that few runs inform."""
    warnings = []
    for stage in bound.stages:
        informed = (rows_per_run(stage, len(bound.runs.names)) > 0).sum(1)
        few = [f"'{o}' ({k})" for o, k in zip(stage.outputs, informed, strict=True) if k < FEW_RUNS]
        if few:
            what, effect = "runs", "may be too narrow for it"
            if stage.name == "score" and len(bound.stages) > 1 and informed.min() < len(bound.runs.names):
                what, effect = "emerged runs", "are wide for it"
            warnings.append(f"{stage.name} {', '.join(few)}: intervals rest on so few {what}, and {effect}")
    return tuple(warnings)


def _failures(bound: BoundModel, drawn: Vectors, statuses: dict[str, NDArray[np.int32]]) -> tuple[str, ...]:
    """Warnings for outputs of which many draws could not be fitted, or not be determined."""
    warnings = []
    for stage in bound.stages:
        missing = np.isnan(drawn[stage.name]).any(-1)
        failed = missing.mean(0)
        open_ = ((statuses[stage.name][1:] == Status.SINGULAR) & ~missing).mean(0)
        for shares, what in (
            (failed, "could not be fitted: intervals leave them out"),
            (open_, "leave a direction of the parameters open: use fewer parameters, or weigh the priors in"),
        ):
            for share in sorted({f for f in shares if f > FAILED_SHARE}):
                names = ", ".join(f"'{o}'" for o, f in zip(stage.outputs, shares, strict=True) if f == share)
                warnings.append(f"{stage.name} {names}: {share:.0%} of the resamples {what}")
    return tuple(warnings)
