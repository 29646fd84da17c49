"""What a backtest found: single forecasts beside what was measured, a method's record, and all records side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.methods.method import StageName
from flpjax.shown import ShownAsTable


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
        crps: Continuous ranked probability score of the draws, in the unit of the quantity; None where they are no
            distribution, as of a point fit.
    """

    target: str
    name: str
    predicted: float
    lower: float
    upper: float
    actual: float
    true_loss: float | None = None
    crps: float | None = None

    @property
    def rel_error(self) -> float:
        """``(predicted − actual) / |actual|`` (Chen et al. 2024, eq. 4, with its sign); NaN for an actual of 0."""
        return (self.predicted - self.actual) / abs(self.actual) if self.actual else float("nan")

    @property
    def rel_error_true_loss(self) -> float | None:
        """The relative error with the target's true loss."""
        return None if self.true_loss is None or not self.actual else (self.true_loss - self.actual) / abs(self.actual)

    @property
    def covered(self) -> bool:
        """Whether the interval holds what came."""
        return self.lower <= self.actual <= self.upper

    def to_dict(self, intervals: bool) -> dict[str, Any]:
        """As JSON has it; without intervals their bounds are null."""
        return {
            "target": self.target,
            "predicted": self.predicted,
            "lower": self.lower if intervals else None,
            "upper": self.upper if intervals else None,
            "actual": self.actual,
            "rel_error": self.rel_error if self.actual else None,
            "rel_error_true_loss": self.rel_error_true_loss,
            "crps": self.crps if intervals else None,
        }


@dataclass(frozen=True)
class Means:
    """Means over cells; None where there is nothing to take a mean of.

    Attributes:
        cells: How many.
        error: Mean absolute relative error.
        error_true_loss: The same with the targets' true losses.
        coverage: Share of the intervals that hold what was measured; None without intervals.
        width: Mean width of the intervals; of losses, divided by what was measured.
        crps: Mean continuous ranked probability score; of losses, divided by what was measured.
    """

    cells: int = 0
    error: float | None = None
    error_true_loss: float | None = None
    coverage: float | None = None
    width: float | None = None
    crps: float | None = None

    @classmethod
    def of(cls, cells: Sequence[Cell], *, intervals: bool, relative: bool) -> Means:
        """Of these cells.

        Args:
            cells: Of one kind, losses or scores.
            intervals: Whether their draws are a distribution.
            relative: Divide widths and CRPS by what was measured: losses of several domains differ in size, and a
                score is a fraction already.
        """
        sized = [(c, abs(c.actual) if relative else 1.0) for c in cells if c.actual or not relative]
        sized = sized if intervals else []
        return cls(
            len(cells),
            _mean(abs(c.rel_error) for c in cells if c.actual),
            _mean(abs(e) for c in cells if (e := c.rel_error_true_loss) is not None),
            _mean(float(c.covered) for c, _ in sized),
            _mean((c.upper - c.lower) / unit for c, unit in sized),
            _mean(c.crps / unit for c, unit in sized if c.crps is not None),
        )


def crps(ordered: NDArray[np.float64], actual: float) -> float:
    """Continuous ranked probability score ``E|X − y| − ½ E|X − X'|`` of the distribution that draws are, exactly.

    Gneiting & Raftery 2007, eq. 21; the double mean by ranks.

    Args:
        ordered: ``(draw,)``, ascending.
        actual: What came.
    """
    count = len(ordered)
    rank = np.arange(1, count + 1)
    half_difference = float(((2 * rank - count - 1) * ordered).sum()) / count**2  # ½ E|X − X'|
    return float(np.abs(ordered - actual).mean()) - half_difference


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None


@dataclass(frozen=True)
class Record:
    """One method's record on all targets.

    Attributes:
        scores: Its forecasts of scores that were measured.
        losses: Its forecasts of losses that were measured.
        warnings: What the reader should know.
        failed: Why there is no forecast; empty if there is one.
        intervals: Whether its draws are a distribution: a point fit has no intervals, nor have fits that tie.
    """

    scores: tuple[Cell, ...] = ()
    losses: tuple[Cell, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: str = ""
    intervals: bool = True

    def cells(self, kind: StageName, target: str | None = None, names: Sequence[str] | None = None) -> tuple[Cell, ...]:
        """The cells of one kind: of one target or of all, of these tasks or domains or of all."""
        cells = self.scores if kind == "score" else self.losses
        return tuple(c for c in cells if target in (None, c.target) and (names is None or c.name in names))

    def means(self, kind: StageName, target: str | None = None, names: Sequence[str] | None = None) -> Means:
        """Errors, coverage, widths and CRPS of one kind; widths and CRPS of losses are relative."""
        return Means.of(self.cells(kind, target, names), intervals=self.intervals, relative=kind == "loss")

    def mean_abs_rel_error(self, target: str | None = None, *, true_loss: bool = False) -> float | None:
        """Mean absolute relative error of the scores, of one target or of all."""
        means = self.means("score", target)
        return means.error_true_loss if true_loss else means.error

    def loss_error(self, domains: str | Sequence[str] | None = None, target: str | None = None) -> float | None:
        """Mean absolute relative error of the losses, of these domains or of all."""
        return self.means("loss", target, (domains,) if isinstance(domains, str) else domains).error

    @property
    def coverage(self) -> float | None:
        """Share of score intervals that hold what came; None for point fits."""
        return self.means("score").coverage

    @property
    def width(self) -> float | None:
        """Mean width of the score intervals; None for point fits."""
        return self.means("score").width

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; means without a prefix are those of scores."""
        losses = [{"domain": c.name, **c.to_dict(self.intervals)} for c in self.losses]
        for cell in losses:
            del cell["rel_error_true_loss"]
        score, loss = self.means("score"), self.means("loss")
        return {
            "mean_abs_rel_error": score.error,
            "mean_abs_rel_error_true_loss": score.error_true_loss,
            "coverage": score.coverage,
            "width": score.width,
            "crps": score.crps,
            "loss_mean_abs_rel_error": loss.error,
            "loss_coverage": loss.coverage,
            "loss_rel_width": loss.width,
            "loss_rel_crps": loss.crps,
            "intervals": self.intervals and not self.failed,
            "cells": [{"task": c.name, **c.to_dict(self.intervals)} for c in self.scores],
            "loss_cells": losses,
            "warnings": list(self.warnings),
            "failed": self.failed or None,
        }


@dataclass(frozen=True)
class Backtest(ShownAsTable):
    """The records of several methods on the same held-out runs.

    Attributes:
        held_out: The runs that no fit saw.
        level: Probability that the intervals are meant to have.
        methods: Method → record.
        via: Method → the loss domains that its scores go through; none where it forecasts no score.
    """

    held_out: tuple[str, ...]
    level: float
    methods: Mapping[str, Record]
    via: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def judged_by(self) -> StageName:
        """What methods are compared by: scores, or losses where no method forecast a score."""
        return "score" if any(r.scores for r in self.methods.values()) else "loss"

    def best(self) -> str | None:
        """The method with the smallest mean error, of scores if there are any, among those that forecast the most."""
        means = {name: record.means(self.judged_by) for name, record in self.methods.items()}
        most = max((m.cells for m in means.values()), default=0)
        errors = {name: m.error for name, m in means.items() if m.cells == most and m.error is not None}
        return min(errors, key=errors.__getitem__) if errors else None

    @property
    def judged_alike(self) -> bool:
        """Whether all methods that forecast anything forecast as many values."""
        return len({m.cells for record in self.methods.values() if (m := record.means(self.judged_by)).cells}) <= 1

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per method and target."""
        return [
            {"method": name, "target": target, **self._row(name, target)}
            for name in self.methods
            for target in self.held_out
        ]

    def summary(self) -> list[dict[str, Any]]:
        """Tidy rows: one per method, over all targets."""
        return [{"method": name, **self._row(name)} for name in self.methods]

    def _row(self, name: str, target: str | None = None) -> dict[str, Any]:
        """What one method's row says of one target, or of all: of losses, ``loss_error`` is of those scores need."""
        record = self.methods[name]
        score, loss = record.means("score", target), record.means("loss", target)
        return {
            "tasks": score.cells,
            "losses": loss.cells,
            "loss_error": record.loss_error(self.via.get(name) or None, target),
            "loss_coverage": loss.coverage,
            "loss_width": loss.width,
            "loss_crps": loss.crps,
            "score_error": score.error,
            "score_error_true_loss": score.error_true_loss,
            "coverage": score.coverage,
            "width": score.width,
            "crps": score.crps,
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "held_out": list(self.held_out),
            "level": self.level,
            "best": self.best(),
            "methods": {name: record.to_dict() for name, record in self.methods.items()},
        }

    def to_json(self) -> str:
        """The backtest as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for name, record in self.methods.items():
            score, loss = record.means("score").error, record.means("loss").error
            error, what = (loss, " of losses") if score is None else (score, "")
            said = "-" if error is None else f"{error:.2%} mean absolute relative error{what}"
            lines.append(f"{name}: {record.failed or said}")
        return "\n".join(lines)
