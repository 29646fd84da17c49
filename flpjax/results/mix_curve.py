"""What every mixture would give: scores, losses and the objective over two sources' ratios, or a triangle of three."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.methods.method import StageName
from flpjax.readers.read import Table, read_runs
from flpjax.results.completion import completed
from flpjax.results.forecast import check_level
from flpjax.results.goal import Goal
from flpjax.results.mix_grid import Measured, Objective, expected_at, measured_near, mixture_grid, objective
from flpjax.results.path import Band
from flpjax.results.sizing import at_known_size
from flpjax.results.target import Asked, Target, target_from
from flpjax.shown import ShownAsTable


@dataclass(frozen=True, eq=False)
class MixCurve(ShownAsTable):
    """Expected scores and losses of a target over a grid of mixtures.

    Attributes:
        target: The model.
        sources: ``(source,)`` two or three.
        weights: ``(point, source)`` the grid.
        tried: ``(mixture, source)`` the ladder's mixtures.
        outputs: ``(output,)`` names of tasks and, where there are none, loss domains.
        kind: ``"score"`` or ``"loss"``.
        level: Probability of the intervals.
        median: ``(point, output)``.
        lower: ``(point, output)`` bounds of the intervals of the expected value.
        upper: ``(point, output)``.
        objective: What the best mixture is best at, over the same grid; None if it was not asked for.
        measured: What runs of the size nearest to the target reached; empty without the ladder's runs.
    """

    target: Target
    sources: tuple[str, ...]
    weights: NDArray[np.float64]
    tried: NDArray[np.float64]
    outputs: tuple[str, ...]
    kind: StageName
    level: float
    median: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    objective: Objective | None = None
    measured: tuple[Measured, ...] = ()

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per mixture and output."""
        return [
            {
                **{source: float(w) for source, w in zip(self.sources, weights, strict=True)},
                self.kind: name,
                "median": float(self.median[i, j]),
                "lower": float(self.lower[i, j]),
                "upper": float(self.upper[i, j]),
            }
            for i, weights in enumerate(self.weights)
            for j, name in enumerate(self.outputs)
        ]

    def to_json(self) -> str:
        """The curve as JSON text."""
        parts: dict[str, Any] = {"target": self.target.name, "level": self.level, "rows": self.to_dicts()}
        if self.objective is not None:
            parts["objective"] = self.objective.to_dicts(self.sources, self.weights)
        parts["measured"] = [run.to_dict(self.sources, self.outputs) for run in self.measured]
        return json.dumps(parts, indent=2)

    def __str__(self) -> str:
        best = self.median.argmin(axis=0) if self.kind == "loss" else self.median.argmax(axis=0)
        return "\n".join(
            f"{name}: best {self.median[i, j]:.4g} at "
            + ", ".join(f"{s} {w:.2f}" for s, w in zip(self.sources, self.weights[i], strict=True))
            for j, (name, i) in enumerate(zip(self.outputs, best, strict=True))
        )


def mix_curve(
    draws: Draws,
    target: Asked,
    *,
    step: float | None = None,
    level: float = 0.9,
    goal: Goal | None = None,
    baseline: Mapping[str, float] | None = None,
    runs: Table | None = None,
) -> MixCurve:
    """Forecast a target over a grid of mixtures (Chen et al. 2024, figure 6, is the case of two sources).

    Args:
        draws: Of a model with two or three sources.
        target: The model; its own mixture is not looked at.
        step: Between mixtures of the grid, rounded to one over a whole number; None takes 0.01 for two sources, 0.025
            for three.
        level: Probability of the intervals.
        goal: What mixtures are judged by; None leaves the objective out.
        baseline: Source → weight of the mixture that the goal counts gains from, or is pulled to; needed by those two.
        runs: The ladder, for what its runs of the size nearest to the target reached.

    Raises:
        InputError: The model has another number of sources, or the step is no share.
    """
    refuse_unfitted(draws)
    runs = None if runs is None else read_runs(runs)
    check_level(level)
    target = target_from(target)
    sources = draws.model.sources
    if len(sources) not in (2, 3):
        raise InputError(
            f"a curve has 2 sources, a triangle 3, and there are {len(sources)}",
            where=draws.ladder.source,
            remedy="optimise_mix works for any number",
        )
    step = (0.01 if len(sources) == 2 else 0.025) if step is None else step
    if not 0.0 < step <= 0.5:
        raise InputError(f"the step {step:g} is no share", remedy="Give one up to 0.5, say 0.01")
    weights = mixture_grid(len(sources), round(1.0 / step))
    filled = completed(at_known_size(target, draws.ladder)[0], draws.ladder)
    loss, score = expected_at(draws, filled, weights)
    kind: StageName = "score"
    names, values = draws.model.tasks, np.clip(score, 0.0, 1.0)
    if not names:
        names, kind, values = draws.model.domains, "loss", loss
    band = Band.of(values, level, draws.most_lost)
    if not np.isfinite(band.median).all():
        raise InputError(
            "some mixtures have no finite forecast", where=f"target '{target.name}'", remedy="Give N and D, or a floor"
        )
    return MixCurve(
        filled,
        sources,
        weights,
        np.array(draws.ladder.mixtures),
        names,
        kind,
        level,
        band.median,
        band.lower,
        band.upper,
        None if goal is None else objective(draws, filled, weights, loss, score, goal, baseline, level),
        () if runs is None else measured_near(runs, filled, sources, names, kind),
    )
