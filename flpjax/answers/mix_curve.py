"""What every mixture would give: scores and losses along the ratios of two sources, or over the triangle of three."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.answers.forecast import Interval, check_level, compute_of, predict
from flpjax.answers.target import Target
from flpjax.errors import InputError
from flpjax.fitting.draws import Draws
from flpjax.runs.compute import Compute


@dataclass(frozen=True, eq=False)
class MixCurve:
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
    """

    target: Target
    sources: tuple[str, ...]
    weights: NDArray[np.float64]
    tried: NDArray[np.float64]
    outputs: tuple[str, ...]
    kind: str
    level: float
    median: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    def table(self) -> list[dict[str, Any]]:
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
        return json.dumps({"target": self.target.name, "level": self.level, "rows": self.table()}, indent=2)

    def __str__(self) -> str:
        best = self.median.argmin(axis=0) if self.kind == "loss" else self.median.argmax(axis=0)
        return "\n".join(
            f"{name}: best {self.median[i, j]:.4g} at "
            + ", ".join(f"{s} {w:.2f}" for s, w in zip(self.sources, self.weights[i], strict=True))
            for j, (name, i) in enumerate(zip(self.outputs, best, strict=True))
        )


def mix_curve(draws: Draws, target: Target, *, step: float | None = None, level: float = 0.9) -> MixCurve:
    """Forecast a target over a grid of mixtures (Chen et al. 2024, figure 6, is the case of two sources).

    Args:
        draws: Of a model with two or three sources.
        target: The model; its own mixture is not looked at.
        step: Between mixtures of the grid, rounded to one over a whole number; None takes 0.01 for two sources, 0.025
            for three.
        level: Probability of the intervals.

    Raises:
        InputError: The model has another number of sources, or the step is no share.
    """
    check_level(level)
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
    weights = _grid(len(sources), round(1.0 / step))
    filled = target.filled(draws.ladder.rule)
    one = compute_of([filled])
    params, tokens, flops = (np.repeat(leaf, len(weights)) for leaf in one[:3])
    told = np.where((weights == 0.0).any(axis=1, keepdims=True) & draws.model.singular, np.nan, weights)
    points = Compute(params, tokens, flops, told)
    seen = predict(draws.model, draws.params, points, None)
    names, kind, values = draws.model.tasks, "score", np.asarray(seen.score)
    if not names:
        names, kind, values = draws.model.domains, "loss", np.asarray(seen.loss)
    each = [[Interval.of(values[:, i, j], level) for j in range(len(names))] for i in range(len(weights))]
    if any(v is None for row in each for v in row):
        raise InputError(
            "some mixtures have no finite forecast", where=f"target '{target.name}'", remedy="Give N and D, or a floor"
        )

    def part(side: str) -> NDArray[np.float64]:
        return np.array([[getattr(v, side) for v in row] for row in each])

    tried = np.array(draws.ladder.mixtures)
    sides = part("median"), part("lower"), part("upper")
    return MixCurve(filled, sources, weights, tried, names, kind, level, *sides)


def _grid(sources: int, steps: int) -> NDArray[np.float64]:
    """``(point, source)`` all mixtures whose weights are multiples of ``1/steps``; the last source varies fastest."""
    if sources == 2:
        last = np.arange(steps + 1) / steps
        return np.stack([1.0 - last, last], axis=1)
    pairs = [(a, b) for a in range(steps + 1) for b in range(steps + 1 - a)]
    return np.array([((steps - a - b) / steps, a / steps, b / steps) for a, b in pairs])
