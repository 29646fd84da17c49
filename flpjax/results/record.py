"""What a backtest found: the record of a method, and all records side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from flpjax.results.cell import Cell, Means

Kind = Literal["score", "loss"]


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

    def cells(self, kind: Kind, target: str | None = None, names: Sequence[str] | None = None) -> tuple[Cell, ...]:
        """The cells of one kind: of one target or of all, of these tasks or domains or of all."""
        cells = self.scores if kind == "score" else self.losses
        return tuple(c for c in cells if target in (None, c.target) and (names is None or c.name in names))

    def means(self, kind: Kind, target: str | None = None, names: Sequence[str] | None = None) -> Means:
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
class Backtest:
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
    def judged_by(self) -> Kind:
        """What methods are compared by: scores, or losses where no method forecast a score."""
        return "score" if any(r.scores for r in self.methods.values()) else "loss"

    def best(self) -> str | None:
        """The method with the smallest mean error, of scores if there are any, among those that forecast the most."""
        means = {name: record.means(self.judged_by) for name, record in self.methods.items()}
        most = max((m.cells for m in means.values()), default=0)
        errors = {name: m.error for name, m in means.items() if m.cells == most and m.error is not None}
        return min(errors, key=errors.__getitem__) if errors else None

    def table(self) -> list[dict[str, Any]]:
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
