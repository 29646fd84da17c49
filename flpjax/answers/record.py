"""What a backtest found: cells, the record of a method, and all records side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


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
        """``(predicted − actual) / actual`` (Chen et al. 2024, eq. 4, with its sign); NaN for an actual of 0."""
        return (self.predicted - self.actual) / self.actual if self.actual else float("nan")

    @property
    def rel_error_true_loss(self) -> float | None:
        """The relative error with the target's true loss."""
        return None if self.true_loss is None or not self.actual else (self.true_loss - self.actual) / self.actual

    @property
    def covered(self) -> bool:
        """Whether the interval holds what came."""
        return self.lower <= self.actual <= self.upper


def width(cells: Sequence[Cell]) -> float | None:
    """Mean width of the intervals."""
    return float(np.mean([c.upper - c.lower for c in cells])) if cells else None


def coverage(cells: Sequence[Cell]) -> float | None:
    """Share of the intervals that hold what came."""
    return float(np.mean([c.covered for c in cells])) if cells else None


@dataclass(frozen=True)
class Record:
    """One method's record on all targets."""

    scores: tuple[Cell, ...] = ()
    losses: tuple[Cell, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: str = ""
    intervals: bool = True  # a point fit has none

    def mean_abs_rel_error(self, target: str | None = None, *, true_loss: bool = False) -> float | None:
        """Mean absolute relative error of the scores, of one target or of all."""
        cells = [c for c in self.scores if target in (None, c.target)]
        errors = [c.rel_error_true_loss if true_loss else c.rel_error for c in cells]
        known = [abs(e) for e in errors if e is not None and e == e]
        return float(np.mean(known)) if known else None

    def loss_error(self, domains: Sequence[str], target: str | None = None) -> float | None:
        """Mean absolute relative error of the losses of these domains."""
        known = [abs(c.rel_error) for c in self.losses if c.name in domains and target in (None, c.target)]
        return float(np.mean(known)) if known else None

    @property
    def coverage(self) -> float | None:
        """Share of score intervals that hold what came; None for point fits."""
        return coverage(self.scores) if self.intervals else None

    @property
    def width(self) -> float | None:
        """Mean width of the score intervals; None for point fits."""
        return width(self.scores) if self.intervals else None

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
        via: Method → the loss domains that its scores go through.
    """

    held_out: tuple[str, ...]
    level: float
    methods: Mapping[str, Record]
    via: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
                        "loss_error": record.loss_error(self.via.get(name, ()), target),
                        "score_error": record.mean_abs_rel_error(target),
                        "score_error_true_loss": record.mean_abs_rel_error(target, true_loss=True),
                        "coverage": coverage(cells) if record.intervals else None,
                        "width": width(cells) if record.intervals else None,
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
            said = "-" if error is None else f"{error:.2%} mean absolute relative error"
            lines.append(f"{name}: {record.failed or said}")
        return "\n".join(lines)


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "target": cell.target,
        "predicted": cell.predicted,
        "lower": cell.lower,
        "upper": cell.upper,
        "actual": cell.actual,
        "rel_error": cell.rel_error if cell.actual else None,
        "rel_error_true_loss": cell.rel_error_true_loss,
    }
