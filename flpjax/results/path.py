"""Forecasts as curves: losses and scores at every compute from the ladder to a target, and scores over losses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import check_count
from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.methods.method import StageName
from flpjax.readers.read import Table, read_runs
from flpjax.results.completion import completed, law_inputs, with_mixture
from flpjax.results.prediction import bounds_of, check_level, lost, predict, predict_from_loss, scatter
from flpjax.results.target import Asked, Target, target_from
from flpjax.shown import ShownAsTable

POINTS = 61


@dataclass(frozen=True, eq=False)
class Band:
    """A median with the bounds of a central interval, at many points at once.

    Attributes:
        median: ``(point, output)``; NaN where no draw says anything.
        lower: ``(point, output)``.
        upper: ``(point, output)``.
    """

    median: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def of(cls, draws: NDArray[np.float64], level: float, most_lost: float) -> Band:
        """Of the finite values among draws ``(draw, point, output)``, where no more than a few are not."""
        shape = draws.shape[1:]
        values = np.where(np.isfinite(draws), draws, np.nan).reshape(len(draws), -1)
        known = lost(values) <= most_lost
        sides = np.full((3, values.shape[1]), np.nan)
        tail = 0.5 * (1.0 - level)
        if known.any():
            sides[:, known] = np.nanquantile(values[:, known], [0.5, tail, 1.0 - tail], axis=0)
        return cls(*(side.reshape(shape) for side in sides))

    def output(self, j: int, unit: float = 1.0) -> tuple[NDArray[np.float64], ...]:
        """Median, lower and upper bound ``(point,)`` of one output, in ``unit``s."""
        return tuple(unit * side[:, j] for side in (self.median, self.lower, self.upper))

    def rows(self, names: tuple[str, ...], kind: StageName, x: list[dict[str, float]]) -> list[dict[str, Any]]:
        """Tidy rows: one a point and output, of those that are known; ``x`` says what a point is."""
        return [
            {**x[i], "kind": kind, "name": name}
            | {side: float(getattr(self, side)[i, j]) for side in ("median", "lower", "upper")}
            for j, name in enumerate(names)
            for i in range(len(x))
            if np.isfinite(self.median[i, j])
        ]


@dataclass(frozen=True, eq=False)
class ForecastPath(ShownAsTable):
    """Losses and scores along the ladder and on to a target.

    Attributes:
        target: Where the path ends.
        level: Probability of the intervals.
        params: ``(point,)`` N, NaN where the target has none.
        tokens: ``(point,)`` D.
        flops: ``(point,)`` C, rising.
        edge: C of the ladder's largest run: what is beyond is extrapolated.
        domains: ``(domain,)`` names of the losses.
        tasks: ``(task,)`` names of the scores.
        loss: ``(point, domain)``.
        score: ``(point, task)``, within 0 to 1.
    """

    target: Target
    level: float
    params: NDArray[np.float64]
    tokens: NDArray[np.float64]
    flops: NDArray[np.float64]
    edge: float
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    loss: Band
    score: Band

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a point and quantity."""
        columns = zip(self.params, self.tokens, self.flops, strict=True)
        x = [dict(zip(("params", "tokens", "flops"), map(float, point), strict=True)) for point in columns]
        return self.loss.rows(self.domains, "loss", x) + self.score.rows(self.tasks, "score", x)

    def to_json(self) -> str:
        """The path as JSON text; null is not known."""
        rows = [{k: None if v != v else v for k, v in row.items()} for row in self.to_dicts()]
        return json.dumps({"target": self.target.name, "level": self.level, "rows": rows}, indent=2, allow_nan=False)


def forecast_path(
    draws: Draws, runs: Table, target: Asked, *, level: float = 0.9, measured: bool = True, points: int = POINTS
) -> ForecastPath:
    """Forecast models that grow as the ladder does, from its smallest run to the target.

    Within the ladder log N and log D go straight lines in log C, those of least squares through its final checkpoints;
    from its largest compute they go straight to the target's. Mixture and other features are the target's throughout.

    Args:
        draws: Any.
        runs: The ladder.
        target: Where to go; one within the ladder lets the path end at the ladder's largest compute.
        level: Probability of the central intervals.
        measured: Intervals of what one training run will measure; False for those of the expected value.
        points: How many points the path has.

    Raises:
        InputError: The level is no probability, or there are fewer than two points.
    """
    refuse_unfitted(draws)
    runs = read_runs(runs)
    check_level(level)
    target = target_from(target)
    check_count(points, "points", 2, where="a path")
    filled = with_mixture(completed(target, draws.ladder), draws)
    compute = law_inputs([filled], draws)
    log_n, log_d, log_c = _way(runs, filled, points)
    same = {name: np.repeat(leaf, points, axis=0) for name, leaf in compute.items()}
    if draws.model.singular:
        same["mix"] = np.where((same["mix"] == 0.0).any(axis=1, keepdims=True), np.nan, same["mix"])
    along = Features({**same, "params": log_n, "tokens": log_d, "flops": log_c})
    noise = scatter(draws) if measured else None
    bounds = bounds_of(draws, np.exp(log_c).tolist())
    seen = predict(draws.model, draws.params, along, noise, bounds)
    return ForecastPath(
        filled,
        level,
        np.exp(log_n),
        np.exp(log_d),
        np.exp(log_c),
        float(runs.training().finals().flops.max()),
        draws.model.domains,
        draws.model.tasks,
        Band.of(np.asarray(seen.loss), level, draws.most_lost),
        Band.of(np.clip(np.asarray(seen.score), 0.0, 1.0), level, draws.most_lost),
    )


def _way(runs: Runs, target: Target, points: int) -> NDArray[np.float64]:
    """Logarithms of N, D and C ``(3, point)``."""
    finals = runs.training().finals()
    log_c = np.log(finals.flops)
    low, high = float(log_c.min()), float(log_c.max())
    spread = high > low

    def line(values: NDArray[np.float64]) -> tuple[float, float]:
        """At both ends of the ladder."""
        if np.isnan(values).any():  # the ladder has none
            return np.nan, np.nan
        slope, level = np.polyfit(log_c, values, 1) if spread else (0.0, float(values.mean()))
        return float(slope * low + level), float(slope * high + level)

    ends = [line(np.log(finals.params)), line(np.log(finals.tokens))]
    knots = [low, high] if spread else [high]
    along = [list(end) if spread else [end[1]] for end in ends]
    end = float(np.log(target.flops or 0.0))
    if end > high:
        knots.append(end)
        for way, value in zip(along, (target.params, target.tokens), strict=True):
            way.append(np.nan if value is None else float(np.log(value)))
        if target.params is None or target.tokens is None:
            along = [[np.nan] * len(knots)] * 2  # laws in N and D have no say on the target, so none on the way
    x = np.linspace(knots[0], knots[-1], points) if len(knots) > 1 else np.full(points, high)
    return np.stack([*(np.interp(x, knots, way) for way in along), x])


@dataclass(frozen=True, eq=False)
class ScoreMap(ShownAsTable):
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

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a point and task."""
        rows = []
        for j, (task, domain) in enumerate(zip(self.tasks, self.domains, strict=True)):
            for i in range(len(self.loss)):
                sides = {side: float(getattr(self.score, side)[i, j]) for side in ("median", "lower", "upper")}
                rows.append({"domain": domain, "loss": float(self.loss[i, j]), "name": task, **sides})
        return rows


def score_map(draws: Draws, runs: Table, path: ForecastPath, *, measured: bool = True) -> ScoreMap | None:
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
    refuse_unfitted(draws)
    runs = read_runs(runs)
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
