"""How well each method would have forecast the largest models there already are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jax import Array

from flpjax.answers.forecast import Forecast, Interval, forecast, predict_from_loss
from flpjax.answers.target import targets_of
from flpjax.errors import FlpjaxError, InputError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.draws import Draws
from flpjax.fitting.point import point
from flpjax.predictors.predictor import Predictor
from flpjax.runs.table import Runs


@dataclass(frozen=True)
class Cell:
    """One target and one quantity: what was forecast and what came.

    Attributes:
        target: The run.
        name: The task or loss domain.
        predicted: Median forecast.
        lower: Lower bound of the interval.
        upper: Upper bound.
        actual: What the run reached.
        true_loss: Median forecast of a score from the run's *true* loss: what stage 2 alone gets wrong. None where a
            method has no stage 2, or the run no such loss.
    """

    target: str
    name: str
    predicted: float
    lower: float
    upper: float
    actual: float
    true_loss: float | None = None

    @property
    def rel_error(self) -> float:
        """``(predicted − actual) / actual`` (Chen et al. 2024, eq. 4, with its sign)."""
        return (self.predicted - self.actual) / self.actual

    @property
    def rel_error_true_loss(self) -> float | None:
        """The relative error with the target's true loss."""
        return None if self.true_loss is None else (self.true_loss - self.actual) / self.actual

    @property
    def covered(self) -> bool:
        """Whether the interval holds what came."""
        return self.lower <= self.actual <= self.upper


def width(cells: Sequence[Cell]) -> float | None:
    """Mean width of the intervals; None where there are none."""
    mean = float(np.mean([c.upper - c.lower for c in cells])) if cells else 0.0
    return mean or None


def coverage(cells: Sequence[Cell]) -> float | None:
    """Share of the intervals that hold what came; None where there are none."""
    return None if width(cells) is None else float(np.mean([c.covered for c in cells]))


@dataclass(frozen=True)
class Record:
    """One method's record on all targets."""

    scores: tuple[Cell, ...] = ()
    losses: tuple[Cell, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: str = ""

    def mean_abs_rel_error(self, target: str | None = None, *, true_loss: bool = False) -> float | None:
        """Mean absolute relative error of the scores, of one target or of all."""
        cells = [c for c in self.scores if target in (None, c.target)]
        errors = [c.rel_error_true_loss if true_loss else c.rel_error for c in cells]
        known = [abs(e) for e in errors if e is not None]
        return float(np.mean(known)) if known else None

    def loss_error(self, domain: str, target: str | None = None) -> float | None:
        """Mean absolute relative error of one domain's loss."""
        known = [abs(c.rel_error) for c in self.losses if c.name == domain and target in (None, c.target)]
        return float(np.mean(known)) if known else None

    @property
    def coverage(self) -> float | None:
        """Share of score intervals that hold what came; None for point fits."""
        return coverage(self.scores)

    @property
    def width(self) -> float | None:
        """Mean width of the score intervals; None for point fits."""
        return width(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        losses = [{"domain": c.name, **_cell(c)} for c in self.losses]
        for cell in losses:
            del cell["rel_error_true_loss"]
        return {
            "mean_abs_rel_error": self.mean_abs_rel_error(),
            "mean_abs_rel_error_true_loss": self.mean_abs_rel_error(true_loss=True),
            "coverage": self.coverage,
            "width": self.width,
            "cells": [{"task": c.name, **_cell(c)} for c in self.scores],
            "loss_cells": losses,
            "warnings": list(self.warnings),
            "failed": self.failed or None,
        }


@dataclass(frozen=True)
class Backtest:
    """The records of several methods on the same held-out runs.

    Attributes:
        held_out: The runs that no fit saw.
        level: Probability that the intervals are meant to have.
        methods: Method → record.
        via: Method → the loss domain its scores go through, if all go through one.
    """

    held_out: tuple[str, ...]
    level: float
    methods: Mapping[str, Record]
    via: Mapping[str, str] = field(default_factory=dict)

    def best(self) -> str | None:
        """The method with the smallest mean error, among those that forecast the most cells."""
        most = max((len(r.scores) for r in self.methods.values()), default=0)
        errors = {n: r.mean_abs_rel_error() for n, r in self.methods.items() if r.scores and len(r.scores) == most}
        return min(errors, key=lambda n: errors[n] or 0.0) if errors else None

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one per method and target."""
        rows = []
        for name, record in self.methods.items():
            for target in self.held_out:
                cells = [c for c in record.scores if c.target == target]
                rows.append(
                    {
                        "method": name,
                        "target": target,
                        "tasks": len(cells),
                        "loss_error": record.loss_error(self.via[name], target) if name in self.via else None,
                        "score_error": record.mean_abs_rel_error(target),
                        "score_error_true_loss": record.mean_abs_rel_error(target, true_loss=True),
                        "coverage": coverage(cells),
                        "width": width(cells),
                    }
                )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "held_out": list(self.held_out),
            "level": self.level,
            "methods": {name: record.to_dict() for name, record in self.methods.items()},
        }

    def to_json(self) -> str:
        """The backtest as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for name, record in self.methods.items():
            error = record.mean_abs_rel_error()
            lines.append(f"{name}: " + (record.failed or f"{error:.2%} mean absolute relative error" if error else "-"))
        return "\n".join(lines)


def backtest(
    methods: Mapping[str, Predictor],
    runs: Runs,
    key: Array,
    *,
    draws: int = 200,
    level: float = 0.9,
    progress: Callable[[str], None] | None = None,
) -> Backtest:
    """Fit every method on the runs that are not held out and score its forecasts of those that are.

    A method that the ladder can't carry is reported as failed, with the reason; the others go on.

    Args:
        methods: Name → predictor.
        runs: The ladder, with targets held out (:meth:`Runs.hold_out`).
        key: JAX random key; every method gets the same, so that they see the same resamples.
        draws: Bootstrap draws; 0 for point fits without intervals.
        level: Probability of the intervals.
        progress: Called with each method's name before it is fitted.

    Raises:
        InputError: Nothing is held out, or nothing else is left.
    """
    if not runs.held_out.any():
        raise InputError("no run is held out", where=runs.source, remedy="Name some, or hold out the largest K")
    if runs.held_out.all():
        raise InputError("all runs are held out", where=runs.source, remedy="Leave some to fit on")
    actual = runs.targets().finals()
    targets = targets_of(actual)
    records: dict[str, Record] = {}
    via: dict[str, str] = {}
    for name, predictor in methods.items():
        if progress is not None:
            progress(name)
        try:
            fitted = _fit(predictor, runs, key, draws)
            seen = forecast(fitted, targets, level=level, method=name)
        except FlpjaxError as error:
            records[name] = Record(failed=str(error))
            continue
        records[name] = _record(fitted, seen, actual)
        route = set(getattr(fitted.model, "via", ()))
        if len(route) == 1:
            via[name] = fitted.model.domains[route.pop()]
    return Backtest(actual.names, level, records, via)


def _fit(predictor: Predictor, runs: Runs, key: Array, draws: int) -> Draws:
    if draws:
        return bootstrap(predictor, runs, key, draws=draws, strict=False)
    return point(predictor, runs, key, strict=False)


def _record(draws: Draws, seen: Forecast, actual: Runs) -> Record:
    model = draws.model
    columns = [actual.domains.index(d) for d in model.domains]
    from_loss = predict_from_loss(model, draws.params, actual.loss[:, columns])
    with_true_loss = None if from_loss is None else np.clip(from_loss, 0.0, 1.0)

    def true_loss(i: int, j: int) -> float | None:
        if with_true_loss is None:
            return None
        found = Interval.of(with_true_loss[:, i, j], seen.level)
        return None if found is None else found.median

    scores = [
        Cell(actual.names[i], task, v.median, v.lower, v.upper, float(actual.score_of(task)[i]), true_loss(i, j))
        for i in range(len(actual))
        for j, task in enumerate(model.tasks)
        if (v := seen.score[i].get(task)) is not None and actual.score_of(task)[i] > 0
    ]
    losses = [
        Cell(actual.names[i], domain, v.median, v.lower, v.upper, float(actual.loss_of(domain)[i]))
        for i in range(len(actual))
        for domain in model.domains
        if (v := seen.loss[i].get(domain)) is not None and np.isfinite(actual.loss_of(domain)[i])
    ]
    return Record(tuple(scores), tuple(losses), seen.warnings)


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "target": cell.target,
        "predicted": cell.predicted,
        "lower": cell.lower,
        "upper": cell.upper,
        "actual": cell.actual,
        "rel_error": cell.rel_error,
        "rel_error_true_loss": cell.rel_error_true_loss,
    }
