"""What the best mixture is best at, over a grid of mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws
from flpjax.results.goal import Goal, Scene, Value, divergence
from flpjax.results.mix_grid import expected_at
from flpjax.results.path import Band
from flpjax.results.target import Target, mixture_of


@dataclass(frozen=True, eq=False)
class Objective:
    """The value of every mixture of a grid: higher is better.

    Attributes:
        label: What it is, in words.
        unit: What values are multiplied by to be shown: 100 where only scores count, otherwise 1.
        value: ``(point,)`` what is maximised: one number over draws, less the price of leaving the prior mixture.
        median: ``(point,)`` over draws, at the same price.
        lower: ``(point,)`` bounds of the interval over draws.
        upper: ``(point,)``.
    """

    label: str
    unit: float
    value: NDArray[np.float64]
    median: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    def table(self, sources: tuple[str, ...], weights: NDArray[np.float64]) -> list[dict[str, Any]]:
        """Tidy rows: one a mixture."""
        sides = ("value", "median", "lower", "upper")
        return [
            dict(zip(sources, map(float, w), strict=True)) | {side: float(getattr(self, side)[i]) for side in sides}
            for i, w in enumerate(weights)
        ]


def objective(
    draws: Draws,
    target: Target,
    weights: NDArray[np.float64],
    loss: NDArray[np.float64],
    score: NDArray[np.float64],
    goal: Goal,
    baseline: Mapping[str, float] | None,
    level: float,
) -> Objective:
    """Judge the forecasts of a grid of mixtures; the condition that no task falls is not drawn into it.

    Args:
        draws: The draws that forecast.
        target: With its FLOPs.
        weights: ``(point, source)`` the grid.
        loss: ``(draw, point, domain)`` expected losses there.
        score: ``(draw, point, task)`` expected scores.
        goal: What counts.
        baseline: Source → weight.
        level: Probability of the intervals.

    Raises:
        InputError: The goal counts gains, or pulls to a mixture, and there is no baseline.
    """
    model = draws.model
    domain_share, task_share = goal.shares(model)
    share = np.concatenate([domain_share, task_share])
    counts = share > 0
    value = Value(model, goal.over_draws, goal.risk, goal.over_tasks)
    outputs = np.concatenate([-loss, score], axis=2)[:, :, counts]
    at_base = np.zeros((len(draws), int(counts.sum())))
    if goal.over_tasks == "worst" or (goal.kl > 0 and goal.prior is None):
        if baseline is None:
            raise InputError("the goal needs a baseline", where="goal", remedy="Give the mixture's baseline")
        base = mixture_of(baseline, model.sources, "baseline")
        base_loss, base_score = expected_at(draws, target, base[None])
        at_base = np.concatenate([-base_loss, base_score], axis=2)[:, 0, counts]
    usable = np.isfinite(outputs).all(axis=(1, 2)) & np.isfinite(at_base).all(axis=1)
    if not usable.any():
        raise InputError("no draw has a finite value at every mixture", where=f"target '{target.name}'")
    nothing = jnp.zeros(())
    scene = Scene({}, None, jnp.asarray(share[counts]), jnp.asarray(at_base[usable]), nothing, nothing, nothing)  # type: ignore[arg-type]
    by_mixture = jnp.asarray(outputs[usable].swapaxes(0, 1))  # (point, draw, output)
    each = jax.vmap(lambda o: value.by_draw(o, scene))(by_mixture)
    price = np.zeros(len(weights))
    if goal.kl > 0:
        prior = mixture_of(goal.prior or baseline or {}, model.sources, "prior")
        price = goal.kl * np.asarray(jax.vmap(lambda w: divergence(w, jnp.asarray(prior)))(jnp.asarray(weights)))
    band = Band.of(np.asarray(each).T[:, :, None] - price[:, None], level, draws.most_lost)
    total = np.asarray(jax.vmap(value.reduced)(each)) - price
    scores_only = not (domain_share > 0).any()
    sides = (band.median[:, 0], band.lower[:, 0], band.upper[:, 0])
    return Objective(
        _label(goal, scores_only, not (task_share > 0).any()), 100.0 if scores_only else 1.0, total, *sides
    )


def _label(goal: Goal, scores_only: bool, losses_only: bool) -> str:
    what = "score (%)" if scores_only else "minus loss" if losses_only else "scores minus losses"
    over = "smallest gain in" if goal.over_tasks == "worst" else "weighted mean of"
    return f"{over} {what}" + (", less the price of KL" if goal.kl > 0 else "")
