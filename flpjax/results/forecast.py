"""Draws in, forecast out: losses and scores of targets, with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, StageFit, refuse_unfitted
from flpjax.ladder.features import Features
from flpjax.methods.method import Prediction
from flpjax.results import caveats, take_off
from flpjax.results.completion import (
    completed,
    law_inputs,
    spread_of_sizes,
    with_mixture,
    words_of_mixtures,
    words_of_sizes,
)
from flpjax.results.distance import extrapolation, extrapolation_warning
from flpjax.results.prediction import Bounds, bounds_of, lost, widened
from flpjax.results.prediction import Interval as Interval
from flpjax.results.prediction import check_level as check_level
from flpjax.results.prediction import predict as predict
from flpjax.results.prediction import predict_from_loss as predict_from_loss
from flpjax.results.prediction import scatter as scatter
from flpjax.results.sizing import refuse_compute_alone, refuse_other_sizes
from flpjax.results.target import Asked, Target, targets_from
from flpjax.shown import ShownAsTable


@dataclass(frozen=True, eq=False)
class Forecast(ShownAsTable):
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
        intervals: Whether the bounds are of intervals: a point fit has none, nor have fits that tie on the ladder.
        take_off: Per target, task at chance on the whole ladder → probability that it has left chance there.
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
    intervals: bool = True
    take_off: tuple[dict[str, float], ...] = ()

    @property
    def lost(self) -> NDArray[np.float64]:
        """``(target, output)`` share of the draws without a value; losses, then scores."""
        return lost(np.concatenate([self.loss_draws, self.score_draws], axis=2))

    @property
    def monte_carlo(self) -> str:
        """How far the number of draws blurs medians, in words; empty without intervals."""
        if not self.intervals:
            return ""
        most = [max((v.error for each in kind for v in each.values()), default=0.0) for kind in (self.score, self.loss)]
        words = [f"{100 * most[0]:.1g} points" if most[0] else "", f"{most[1]:.1g} of a loss" if most[1] else ""]
        said = " and ".join(filter(None, words))
        return f"Monte Carlo error of the medians: up to {said} ({self.draws:,} draws)" if said else ""

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per target and quantity."""
        rows: list[dict[str, Any]] = []
        for i, target in enumerate(self.targets):
            for kind, intervals in (("loss", self.loss[i]), ("score", self.score[i])):
                rows += [
                    {"target": target.name, "kind": kind, "name": n, **v.to_dict(self.intervals)}
                    | self._left_chance(i, n if kind == "score" else "")
                    for n, v in intervals.items()
                ]
        return rows

    def _left_chance(self, target: int, task: str) -> dict[str, float | None]:
        """The probability that a task has left chance, None of others; nothing where no task is at chance."""
        return {"take_off": self.take_off[target].get(task)} if any(self.take_off) else {}

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
                    **({"features": dict(t.features)} if t.features else {}),
                    "extrapolation": self.extrapolation[i],
                    "loss": {name: v.to_dict(self.intervals) for name, v in self.loss[i].items()},
                    "score": {n: v.to_dict(self.intervals) | self._left_chance(i, n) for n, v in self.score[i].items()},
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
        for row in self.to_dicts():
            bounds = f" [{row['lower']:.4g}, {row['upper']:.4g}]" if self.intervals else ""
            lines.append(f"{row['target']}  {row['kind']} {row['name']}: {row['median']:.4g}{bounds}")
        return "\n".join(lines)


def forecast(
    draws: Draws, targets: Asked | Sequence[Asked], *, level: float = 0.9, measured: bool = True, method: str = ""
) -> Forecast:
    """Forecast targets from any Draws.

    Args:
        draws: A point fit, a bootstrap or a posterior; a point fit has intervals of no width, and a warning says so.
        targets: What to forecast, one or several: targets, or text as ``"7B: N=7e9, D=4e12"``.
        level: Probability of the central intervals.
        measured: Intervals of what one training run will measure, with the scatter of runs and evaluations about the
            fit; False for intervals of the expected value.
        method: What to call the method in the result.

    Raises:
        InputError: No target, a level outside 0 to 1, or no usable draw at all.
    """
    refuse_unfitted(draws)
    given = targets_from(targets)
    if not given:
        raise InputError("there is no target", remedy="Give one, say N=7e9,D=4e12")
    check_level(level)
    model = draws.model
    targets = tuple(with_mixture(t.filled(draws.ladder.rule), draws) for t in given)
    refuse_other_sizes(draws.ladder, targets)
    refuse_compute_alone(draws, targets)
    bounds = bounds_of(draws, [t.flops or np.nan for t in targets])
    targets, seen, sizes = _predicted(draws, targets, scatter(draws) if measured else None, bounds)
    loss, score, few = widened(draws, *(np.asarray(v) for v in seen))
    score = score if bounds is None else np.clip(score, *bounds[1])
    share = lost(np.concatenate([loss, score], axis=2))
    silent = caveats.not_forecast(draws, targets, share)
    intervals = [
        _intervals(names, v, level, draws.most_lost)
        for names, v in ((model.domains, loss), (model.tasks, np.clip(score, 0, 1)))
    ]
    if not any(each for kind in intervals for each in kind):
        raise InputError(silent[0], remedy="There is nothing to forecast")
    warnings = [*draws.warnings, *few, *filter(None, [draws.why_no_intervals])]
    warnings += [*silent, *sizes, *words_of_mixtures(targets, given, draws)]
    for target in targets:
        warnings += extrapolation_warning(target, draws.ladder)
    left = take_off.take_offs(draws, targets, loss)
    warnings += caveats.outside(targets, model, score) + caveats.falling(draws) + take_off.words(targets, left)
    if not draws.why_no_intervals:
        warnings += caveats.blurred([each for kind in intervals for each in kind], len(draws), level)
    return Forecast(
        method=method or type(model).__name__,
        kind=draws.kind,
        level=level,
        draws=len(draws),
        targets=targets,
        extrapolation=tuple(extrapolation(t, draws.ladder) for t in targets),
        loss=intervals[0],
        score=intervals[1],
        loss_draws=loss,
        score_draws=np.clip(score, 0.0, 1.0),  # no model scores outside; a straight line does not know
        fits=draws.fits,
        warnings=tuple(dict.fromkeys(warnings)),
        intervals=draws.has_intervals,
        take_off=left,
    )


def _predicted(
    draws: Draws, targets: tuple[Target, ...], noise: Prediction | None, bounds: tuple[Bounds, Bounds] | None
) -> tuple[tuple[Target, ...], Prediction, list[str]]:
    """Targets with N and D as far as the model reads them, what draws say of them, and words on what was filled in.

    What has only FLOPs is first forecast from these alone: a law in C needs no more.
    """
    model = draws.model

    def values(compute: Features) -> Prediction:
        if model.singular:
            without = (compute.weights == 0.0).any(axis=-1, keepdims=True)
            compute = compute.replace(mix=np.where(without, np.nan, compute.weights))
        return predict(model, draws.params, compute, noise, bounds)

    bare = np.array([t.params is None and t.tokens is None for t in targets])
    exact = tuple(t if flops_only else completed(t, draws.ladder) for t, flops_only in zip(targets, bare, strict=True))
    seen = values(law_inputs(exact, draws))
    if not bare.any() or draws.ladder.size is None:
        return exact, seen, []
    whole = tuple(completed(t, draws.ladder) for t in exact)
    sized = values(spread_of_sizes(law_inputs(whole, draws), bare, draws.ladder, len(draws)))
    more = [(np.isfinite(b) & ~np.isfinite(a)).any(axis=(0, 2)) for a, b in zip(seen, sized, strict=True)]
    reads = bare & (more[0] | more[1])
    chosen = tuple(w if r else e for w, e, r in zip(whole, exact, reads, strict=True))
    return chosen, sized, [words_of_sizes(t, draws.ladder) for t, r in zip(whole, reads, strict=True) if r]


def _intervals(
    names: tuple[str, ...], values: NDArray[np.float64], level: float, most_lost: float
) -> tuple[dict[str, Interval], ...]:
    """Per target, name → interval of the draws ``(draw, target, name)``, those that lost too many left out."""
    each = [Interval.of_each(values[:, i], level, most_lost) for i in range(values.shape[1])]
    return tuple({n: v for n, v in zip(names, row, strict=True) if v is not None} for row in each)
