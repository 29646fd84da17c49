"""Draws in, forecast out: losses and scores of targets, with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import ndtri

from flpjax.answers.few_runs import widened
from flpjax.answers.target import Target, extrapolation, extrapolation_warning
from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, StageFit
from flpjax.numerics import compiled
from flpjax.predictors.predictor import Model, Prediction, StageParams
from flpjax.runs.compute import Compute

GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)


@dataclass(frozen=True)
class Interval:
    """A median with the bounds of a central interval."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, draws: NDArray[np.float64], level: float) -> Interval | None:
        """Of the draws ``(draw,)`` that are finite; None if none is."""
        finite = draws[np.isfinite(draws)]
        if not len(finite):
            return None
        tail = 0.5 * (1.0 - level)
        lower, median, upper = np.quantile(finite, [tail, 0.5, 1.0 - tail])
        return cls(float(median), float(lower), float(upper))

    def to_dict(self, bounds: bool = True) -> dict[str, float | None]:
        """As JSON has it; without ``bounds`` these are null, as of a point fit."""
        lower, upper = (self.lower, self.upper) if bounds else (None, None)
        return {"median": self.median, "lower": lower, "upper": upper}


@dataclass(frozen=True, eq=False)
class Forecast:
    """Losses and scores of targets.

    Attributes:
        method: The name of the method.
        kind: Where the draws came from.
        level: Probability that the intervals are meant to have.
        draws: How many draws there were.
        targets: ``(target,)``.
        extrapolation: ``(target,)`` target FLOPs over the ladder's largest.
        loss: Per target, domain → interval.
        score: Per target, task → interval.
        loss_draws: ``(draw, target, domain)``.
        score_draws: ``(draw, target, task)``, clipped to 0 to 1.
        fits: Stage → constants, status, agreement of starts and conditioning of the point fit.
        warnings: What the reader should know.
    """

    method: str
    kind: str
    level: float
    draws: int
    targets: tuple[Target, ...]
    extrapolation: tuple[float, ...]
    loss: tuple[dict[str, Interval], ...]
    score: tuple[dict[str, Interval], ...]
    loss_draws: NDArray[np.float64]
    score_draws: NDArray[np.float64]
    fits: Mapping[str, StageFit]
    warnings: tuple[str, ...]

    @property
    def intervals(self) -> bool:
        """Whether the bounds are of intervals: a point fit has none, nor have fits that tie on the ladder."""
        return self.kind not in ("point", "tied")

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one per target and quantity."""
        rows: list[dict[str, Any]] = []
        for i, target in enumerate(self.targets):
            for kind, intervals in (("loss", self.loss[i]), ("score", self.score[i])):
                rows += [
                    {"target": target.name, "kind": kind, "name": n, **v.to_dict(self.intervals)}
                    for n, v in intervals.items()
                ]
        return rows

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "method": self.method,
            "kind": self.kind,
            "level": self.level,
            "draws": self.draws,
            "intervals": self.intervals,
            "targets": [
                {
                    "name": t.name,
                    "flops": t.flops,
                    "params": t.params,
                    "tokens": t.tokens,
                    "mix": None if t.mix is None else dict(t.mix),
                    "extrapolation": self.extrapolation[i],
                    "loss": {name: v.to_dict(self.intervals) for name, v in self.loss[i].items()},
                    "score": {name: v.to_dict(self.intervals) for name, v in self.score[i].items()},
                }
                for i, t in enumerate(self.targets)
            ],
            "fits": {name: fit.to_dict() for name, fit in self.fits.items()},
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The forecast as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for row in self.table():
            bounds = f" [{row['lower']:.4g}, {row['upper']:.4g}]" if self.intervals else ""
            lines.append(f"{row['target']}  {row['kind']} {row['name']}: {row['median']:.4g}{bounds}")
        return "\n".join(lines)


def forecast(
    draws: Draws, targets: Sequence[Target], *, level: float = 0.9, measured: bool = True, method: str = ""
) -> Forecast:
    """Forecast targets from any Draws.

    Args:
        draws: A point fit, a bootstrap or a posterior; a point fit has intervals of no width, and a warning says so.
        targets: What to forecast.
        level: Probability of the central intervals.
        measured: Intervals of what one training run will measure, with the scatter of runs and evaluations about the
            fit; False for intervals of the expected value.
        method: What to call the method in the result.

    Raises:
        InputError: No target, a level outside 0 to 1, or no usable draw at all.
    """
    if not targets:
        raise InputError("there is no target", remedy="Give one, say N=7e9,D=4e12")
    check_level(level)
    filled = tuple(t.filled(draws.ladder.rule) for t in targets)
    noise = scatter(draws) if measured else None
    compute = compute_of(filled, draws.model.sources)
    if draws.model.singular:
        without = (compute.weights == 0.0).any(axis=1, keepdims=True)
        compute = compute._replace(weights=np.where(without, np.nan, compute.weights))
    loss, score = (np.asarray(v) for v in predict(draws.model, draws.params, compute, noise))
    loss, score, few = widened(draws, loss, score)
    warnings = [*draws.warnings, *few]
    if draws.kind == "point":
        warnings.append("this is a point fit: it has no intervals")
    if draws.kind == "tied":
        warnings.append(
            "medians are of fits that tie on the ladder: there are no intervals, which would say what other runs change"
        )
    silent = _unknown(draws.model, filled, np.concatenate([loss, score], axis=2))
    if not np.isfinite(loss).any() and not np.isfinite(score).any():
        raise InputError(silent[0], remedy="There is nothing to forecast")
    warnings += silent + _partly(filled, np.concatenate([loss, score], axis=2))
    for target in filled:
        warnings += extrapolation_warning(target, draws.ladder)
    warnings += _outside(filled, draws.model.tasks, score)

    score = np.clip(score, 0.0, 1.0)  # no model scores outside; a straight line does not know

    def intervals(names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, Interval]:
        each = {n: Interval.of(values[:, j], level) for j, n in enumerate(names)}
        return {n: v for n, v in each.items() if v is not None}

    return Forecast(
        method=method or type(draws.model).__name__,
        kind=draws.kind,
        level=level,
        draws=len(draws),
        targets=filled,
        extrapolation=tuple(extrapolation(t, draws.ladder) for t in filled),
        loss=tuple(intervals(draws.model.domains, loss[:, i]) for i in range(len(filled))),
        score=tuple(intervals(draws.model.tasks, score[:, i]) for i in range(len(filled))),
        loss_draws=loss,
        score_draws=score,
        fits=draws.fits,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def check_level(level: float) -> None:
    """Refuse a level that is no probability.

    Raises:
        InputError: The level is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"the level {level:g} is no probability", remedy="Give it between 0 and 1, say 0.9")


def compute_of(targets: Sequence[Target], sources: Sequence[str] = ()) -> Compute:
    """The compute of targets, leaves ``(target,)``; NaN where N and D, or a mixture of ``sources``, are not given.

    Raises:
        InputError: A target's mixture is not one of these sources.
    """

    def log(values: list[float | None]) -> NDArray[np.float64]:
        return np.log([np.nan if v is None else v for v in values])

    weights: Any = np.stack([t.weights(sources) for t in targets]) if sources else ()
    params, tokens, flops = ([getattr(t, what) for t in targets] for what in ("params", "tokens", "flops"))
    return Compute(log(params), log(tokens), log(flops), weights)


def scatter(draws: Draws) -> Prediction:
    """What a measured value departs from the fit by: log losses ``(draw, domain)`` and scores ``(draw, task)``.

    Normal, with the draws' own noise, or else each fit's residual standard deviation; a point fit has none. The numbers
    are the quantiles at a golden-ratio sequence, which fills 0 to 1 evenly for any number of draws and needs no key.
    """
    order = np.arange(1, len(draws) + 1)

    def normal(sd: NDArray[np.float64], irrational: float) -> Array:
        level = (order[:, None] * irrational + 0.5 * irrational * np.arange(sd.shape[1])[None, :]) % 1.0
        return jnp.asarray(ndtri(level) * sd)

    def of_fits(stage: str, names: tuple[str, ...]) -> Any:
        known = stage in draws.fits and draws.kind not in ("point", "tied")
        return np.broadcast_to(draws.fits[stage].residual_sd if known else 0.0, (len(draws), len(names)))

    sd = draws.noise
    if sd is None:
        sd = Prediction(of_fits("loss", draws.model.domains), of_fits("score", draws.model.tasks))
    return Prediction(normal(np.asarray(sd.loss), GOLDEN), normal(np.asarray(sd.score), np.sqrt(2.0) - 1.0))


@partial(compiled, static_argnums=0)
def predict(model: Model, params: StageParams, compute: Compute, noise: Prediction | None) -> Prediction:
    """Losses ``(draw, target, domain)`` and scores ``(draw, target, task)``.

    ``noise`` is that of :func:`scatter`; what a run's loss departs from the law moves its scores with it.
    """

    def one(p: StageParams, x: Compute, off: Prediction | None) -> Prediction:
        expected = model.apply(p, x)
        if off is None:
            return expected
        loss = expected.loss * jnp.exp(off.loss)
        score = model.score_from_loss(p, loss)
        return Prediction(loss, (expected.score if score is None else score) + off.score)

    return jax.vmap(lambda p, off: jax.vmap(lambda x: one(p, x, off))(compute))(params, noise)


@partial(compiled, static_argnums=0)
def predict_from_loss(model: Model, params: StageParams, loss: Array) -> Array | None:
    """Scores ``(draw, target, task)`` at known losses ``(target, domain)``; None for a model without losses."""
    return jax.vmap(lambda p: jax.vmap(lambda value: model.score_from_loss(p, value))(loss))(params)


def _unknown(model: Model, targets: Sequence[Target], values: NDArray[np.float64]) -> list[str]:
    """Warnings about what no draw ``(draw, target, output)`` says anything of: targets first, then outputs."""
    known: NDArray[np.bool_] = np.isfinite(values).max(axis=0)
    silent = []
    for target, told in zip(targets, known.max(axis=1), strict=True):
        why = ""
        if model.singular and target.mix is not None and (target.weights(model.sources) == 0.0).any():
            lost = model.sources[int(target.weights(model.sources).argmin())]
            silent.append(
                f"target '{target.name}' is not forecast: source '{lost}' has no compute, where this law makes the "
                "loss zero or infinite; use a floor ('-floor' in names of methods) or a law that is finite there, as M3"
            )
            continue
        if model.sources and target.mix is None:
            why = f"its mixture, write {','.join(f'mix/{s}=…' for s in model.sources[:2])}" + ",…" * (
                len(model.sources) > 2
            )
        elif target.params is None or target.tokens is None:
            why = "its N and D, write N=7e9,D=4e12"
        if not told and why:
            silent.append(f"target '{target.name}' is not forecast: this law needs {why}")
    if len(silent) == len(targets):
        return silent
    names = zip((*model.domains, *model.tasks), known.max(axis=0), strict=True)
    return silent + [f"'{name}' is not forecast: no draw could be fitted" for name, told in names if not told]


def _partly(targets: Sequence[Target], values: NDArray[np.float64]) -> list[str]:
    """Warnings about targets of which some draws ``(draw, target, output)`` say nothing for want of N and D."""
    warnings = []
    for i, target in enumerate(targets):
        told = np.isfinite(values[:, i]).mean(axis=0)
        without = target.params is None or target.tokens is None
        if without and ((told > 0.0) & (told < 1.0)).any():
            warnings.append(
                f"target '{target.name}' has FLOPs only: laws in N and D have no part in its forecast "
                f"({1.0 - told[told > 0].min():.0%} of the draws); write N=7e9,D=4e12"
            )
    return warnings


def _outside(targets: Sequence[Target], tasks: tuple[str, ...], score: NDArray[np.float64]) -> list[str]:
    """Warnings about scores that no model can have."""
    warnings = []
    for i, target in enumerate(targets):
        known = [j for j in range(len(tasks)) if np.isfinite(score[:, i, j]).any()]
        median = {tasks[j]: float(np.nanmedian(score[:, i, j])) for j in known}
        beyond = [f"'{task}' ({value:.2f})" for task, value in median.items() if not 0.0 <= value <= 1.0]
        if beyond:
            warnings.append(
                f"target '{target.name}': {', '.join(beyond)} left the scale of scores, 0 to 1, and were clipped: the "
                "form has no bounds there; a sigmoid has"
            )
    return warnings
