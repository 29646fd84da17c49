"""The staged fit of the paper: each stage on its own, all outputs and all draws as one batch."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.batch import Solution, solve
from flpjax.engine.moments import Anchor
from flpjax.engine.padding import padded, room
from flpjax.engine.settings import USABLE, Settings, Status
from flpjax.errors import FitError
from flpjax.fitting.draws import StageFit
from flpjax.fitting.trained import train_stage
from flpjax.laws.law import Law, pack, prior_normal, size, spread_starts, unpack
from flpjax.laws.residual import Residual
from flpjax.methods.method import Stage
from flpjax.numerics import compiled, on_device

STARTS = 8
TRAINED_STARTS = 32
CONDITION_LIMIT = 1e8  # beyond this, float64 leaves fewer than 8 digits of the parameters
Vectors = dict[str, NDArray[np.float64]]
"""Stage → unconstrained ``(draw, output, p)``; NaN where a fit failed."""


class Fitted(NamedTuple):
    """A stage, fitted under every draw's counts."""

    vectors: NDArray[np.float64]  # (draw, output, p) unconstrained; NaN where a fit failed
    status: NDArray[np.int32]  # (draw, output)
    report: StageFit  # how the first draw's fits ended
    hessian: NDArray[np.float64]  # (draw, output, p, p) at the ends, prior included; NaN of what a recipe trains


def fit_stage(
    stage: Stage,
    counts: NDArray[np.float64],
    rng: np.random.Generator,
    starts: int | None,
    settings: Settings,
    *,
    random_prior: bool = True,
) -> Fitted:
    """Fit every output of a stage: under the first draw's counts from many starts, under the others from its end.

    Where the law's prior is weighed in, each draw but the first pulls towards parameters of its own, drawn from the
    prior: a direction that only the prior determines then has the prior's spread, not none (randomise, then optimise).

    Args:
        stage: The batch of fits.
        counts: ``(draw, run)`` how often each draw takes each run; the first takes every run once.
        rng: For the starts and the pulls.
        starts: How many starts an output gets; None for 8, or 32 where a recipe trains them.
        settings: Of the solver.
        random_prior: Pull each draw towards parameters of its own, drawn from the prior; False: all to its mean.

    Returns:
        The fits. A trained stage without resamples gives all ends that tie, ``(tie, output, p)``.
    """
    if stage.recipe is not None:
        return _trained(stage, counts, rng, starts or TRAINED_STARTS)
    starts = starts or STARTS
    data = on_device((stage.x, stage.y))
    weight, resample = on_device(stage.weight), counts[:, stage.run]
    guess = guess_of(stage)
    first = spread_starts(stage.law, guess, starts, rng)
    # To solve for some of the parameters is a second pass over rows, and saves less than one step in ten.
    closed = stage.residual.linear if len(stage.residual.linear) == size(stage.law) else ()
    anchor, scale = _anchor(stage.residual, len(counts), rng if random_prior else None), prior_normal(stage.law)[1]

    def run(from_: NDArray[np.float64], draws: range) -> Solution:
        return solve(
            stage.residual,
            data,
            weight,
            resample,
            from_,
            draws=draws,
            anchor=anchor,
            huber=stage.residual.huber,
            linear=closed,
            typical=scale,
            settings=settings,
        )

    point = run(first, range(1))
    vectors, statuses, hessians = [mask_failed(point)], [point.status], [point.hessian]
    if len(counts) > 1:
        warm = np.where(np.isfinite(vectors[0][0]), vectors[0][0], guess)
        again = run(np.stack([warm, guess], axis=1), range(1, len(counts)))
        vectors.append(np.where(_determined(stage, counts[1:])[..., None], mask_failed(again), np.nan))
        statuses.append(again.status)
        hessians.append(again.hessian)
    ended = _Ended(
        point.vector[0],
        point.value[0],
        point.status[0],
        point.agree[0],
        point.gradient[0],
        point.condition[0],
        point.starts.status[0],
    )
    report = _report(stage, ended)
    return Fitted(np.concatenate(vectors), np.concatenate(statuses), report, np.concatenate(hessians))


def guess_of(stage: Stage) -> NDArray[np.float64]:
    """``(output, p)`` the law's own starts, unconstrained."""
    data, weight = _padded(stage)
    return np.asarray(_guess(stage.law, data, weight))[: len(stage.outputs)]


def _padded(stage: Stage) -> tuple[Any, NDArray[np.float64]]:
    """Inputs and values, and weights, with outputs and rows of weight 0 behind them: few sizes, few programs."""
    outputs, rows = stage.weight.shape
    space = room(outputs, rows)
    data = jax.tree.map(lambda leaf: padded(leaf, *space), (stage.x, stage.y))
    weight = np.pad(stage.weight, [(0, 0), (0, space[1] - rows)])
    return data, padded(weight, *space)


class _Ended(NamedTuple):
    """How the point fit of every output ended."""

    vector: NDArray[Any]  # (output, p)
    value: NDArray[Any]  # (output,)
    status: NDArray[Any]  # (output,)
    agree: NDArray[Any]  # (output,)
    gradient: NDArray[Any]  # (output,)
    condition: NDArray[Any]  # (output,)
    start_status: NDArray[Any]  # (output, start)


def _trained(stage: Stage, counts: NDArray[np.float64], rng: np.random.Generator, starts: int) -> Fitted:
    """The same for a stage with a recipe."""
    fit = train_stage(stage, counts, rng, starts)
    status = fit.start_status.min(axis=1, initial=Status.TRAINED, where=fit.start_status == Status.TRAINED)
    failed = ~(fit.start_status == Status.TRAINED).any(axis=1)
    status = np.where(failed, Status.ALL_FAILED, status).astype(np.int32)
    unknown = np.full(len(status), np.nan)
    ended = _Ended(fit.vectors[0], fit.value, status, fit.agree, fit.gradient, unknown, fit.start_status)
    vectors = fit.vectors
    if len(counts) > 1:
        vectors = np.concatenate(
            [vectors[:1], np.where(_determined(stage, counts[1:])[..., None], vectors[1:], np.nan)]
        )
    none = np.full((*vectors.shape, vectors.shape[2]), np.nan)
    return Fitted(vectors, np.broadcast_to(status, vectors.shape[:2]), _report(stage, ended), none)


def _anchor(residual: Residual, draws: int, rng: np.random.Generator | None) -> Anchor | None:
    """The law's prior as a pull on unconstrained parameters, weighed against the residual s.d."""
    if residual.prior_sd is None:
        return None
    loc, scale = prior_normal(residual.law)
    centre = np.broadcast_to(loc, (draws, len(loc))).copy()
    if rng is not None:
        centre[1:] += scale * rng.standard_normal((draws - 1, len(loc)))
    precision = np.broadcast_to((residual.prior_sd / scale) ** 2, centre.shape)
    return Anchor(on_device(centre), on_device(precision))


def mask_failed(solution: Solution) -> NDArray[np.float64]:
    """Vectors ``(draw, output, p)``, NaN for fits that did not end at an optimum."""
    return np.where(np.isin(solution.status, USABLE)[..., None], solution.vector, np.nan)


def judge(fits: dict[str, StageFit], strict: bool) -> tuple[str, ...]:
    """Warnings about point fits that ended badly.

    Raises:
        FitError: A fit did not converge, and ``strict`` is set.
    """
    warnings = []
    for name, fit in fits.items():
        for i, output in enumerate(fit.outputs):
            status, starts = Status(int(fit.status[i])), fit.start_status.shape[1]
            of_class = fit.law.partition("(")[0]  # of a law in a line, its formula
            where = f"{of_class if of_class.isidentifier() else 'the law'} for {name} '{output}'"
            if not status.usable:
                if strict:
                    advice = status.advice[0].upper() + status.advice[1:]
                    raise FitError("the fit did not converge", where=where, remedy=advice)
                warnings.append(f"{where}: the fit did not converge and is left out: {status.advice}")
            elif status == Status.SINGULAR or fit.condition[i] > CONDITION_LIMIT:
                warnings.append(
                    f"{where}: {Status.SINGULAR.advice}; trust forecasts only along the direction of the ladder "
                    f"(condition number {fit.condition[i]:.0e})"
                )
            elif status != Status.TRAINED and starts > 2 and fit.agree[i] <= 1.5 / starts:
                warnings.append(f"{where}: only one of {starts} starts found the best optimum: use more starts")
    return tuple(warnings)


def _determined(stage: Stage, counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """``(draw, output)`` whether a resample has rows enough for an output's parameters."""
    held = stage.recipe is not None or getattr(stage.law, "prior_regularised", False)  # by weight decay, by priors
    needed = 2 if held else size(stage.law)
    return (counts > 0).astype(float) @ rows_per_run(stage, counts.shape[1]).T >= needed


def rows_per_run(stage: Stage, runs: int) -> NDArray[np.float64]:
    """``(output, run)`` how many rows each run has in each fit."""
    rows = np.zeros((len(stage.outputs), runs))
    np.add.at(rows.T, stage.run, (stage.weight > 0).T.astype(float))
    return rows


def _report(stage: Stage, ended: _Ended) -> StageFit:
    outputs, rows = stage.weight.shape
    data, weight = _padded(stage)
    described = jax.tree.map(np.asarray, _describe(stage.residual, padded(ended.vector, len(weight)), data))
    constants = {name: value[:outputs] for name, value in described[0].items()}
    residual = described[1][:outputs, :rows]
    zero, unit = np.array(stage.units or ((0.0, 1.0),)).T[:, :, None]
    if stage.residual.space == "linear":
        residual = unit * residual
    if stage.name == "loss" and stage.residual.space == "linear":
        signed = np.array(stage.signed or (False,) * len(stage.outputs), bool)[:, None]
        residual = residual / np.where(signed, 1.0, zero + unit * stage.y)
    counted = (stage.weight > 0).sum(1)
    mean = (stage.weight * residual**2).sum(1) / np.maximum(stage.weight.sum(1), 1e-300)
    squares = mean * counted / np.maximum(counted - size(stage.law), 1.0)
    return StageFit(
        law=str(stage.law),
        outputs=stage.outputs,
        status=ended.status,
        agree=ended.agree,
        condition=ended.condition,
        objective=ended.value,
        gradient=ended.gradient,
        residual_sd=np.sqrt(squares),
        start_status=np.asarray(ended.start_status),
        constants=constants,
    )


@partial(compiled, static_argnums=0)
def _guess(law: Law, data: Any, weight: Array) -> Array:
    """``(output, p)`` the law's own starts."""
    x, y = data
    return jax.vmap(lambda *rows: pack(law, law.guess(*rows)))(x, y, weight)


@partial(compiled, static_argnums=0)
def _describe(residual: Residual, vector: Array, data: Any) -> tuple[dict[str, Array], Array]:
    """The paper's constants → ``(output,)``, and residuals ``(output, row)``."""
    constants = jax.vmap(lambda v: residual.law.constants(unpack(residual.law, v)))(vector)
    return constants, jax.vmap(jax.vmap(residual, (None, 0)))(vector, data)
