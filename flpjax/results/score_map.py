"""What a fit says a score is at every loss: the second stage alone, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.draws import Draws
from flpjax.ladder.table import Runs
from flpjax.results.forecast import check_level, predict_from_loss, scatter
from flpjax.results.path import Band, ForecastPath


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores over losses.

    Attributes:
        level: Probability of the intervals.
        tasks: ``(task,)`` names of the scores.
        domains: ``(task,)`` the loss that each is a function of.
        loss: ``(point, task)`` that loss, falling.
        score: ``(point, task)``, within 0 to 1.
    """

    level: float
    tasks: tuple[str, ...]
    domains: tuple[str, ...]
    loss: NDArray[np.float64]
    score: Band

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one a point and task."""
        rows = []
        for j, (task, domain) in enumerate(zip(self.tasks, self.domains, strict=True)):
            for i in range(len(self.loss)):
                sides = {side: float(getattr(self.score, side)[i, j]) for side in ("median", "lower", "upper")}
                rows.append({"domain": domain, "loss": float(self.loss[i, j]), "name": task, **sides})
        return rows


def score_map(draws: Draws, runs: Runs, path: ForecastPath, *, measured: bool = True) -> ScoreMap | None:
    """Scores from the largest loss that the ladder measured down to the smallest on the way to a target.

    Args:
        draws: Any.
        runs: The ladder.
        path: The way to the target, whose level the intervals take.
        measured: Intervals of what one evaluation will measure, without the scatter of losses; False for those of the
            expected score.

    Returns:
        The map; None for a model whose scores are not each a function of one loss that it knows.
    """
    check_level(path.level)
    model = draws.model
    if not model.via or any(len(route) != 1 for route in model.via):
        return None
    ends = np.array([_ends(runs, path, j) for j in range(len(model.domains))])  # (domain, 2)
    share = np.linspace(0.0, 1.0, len(path.flops))[:, None]
    loss = ends[:, 0] + share * (ends[:, 1] - ends[:, 0])
    seen = predict_from_loss(model, draws.params, loss)
    if seen is None:
        return None
    score = np.asarray(seen)
    if measured:
        score = score + np.asarray(scatter(draws).score)[:, None, :]
    through = [route[0] for route in model.via]
    domains = tuple(model.domains[i] for i in through)
    band = Band.of(np.clip(score, 0.0, 1.0), path.level, draws.most_lost)
    return ScoreMap(path.level, model.tasks, domains, loss[:, through], band)


def _ends(runs: Runs, path: ForecastPath, j: int) -> tuple[float, float]:
    """The largest and the smallest loss of a domain: measured, or forecast."""
    training = runs.training()
    domain = path.domains[j]
    seen = training.loss_of(domain) if domain in training.domains else np.empty(0)
    values = np.concatenate([seen, path.loss.median[:, j]])
    values = values[np.isfinite(values)]
    return (float(values.max()), float(values.min())) if len(values) else (np.nan, np.nan)
