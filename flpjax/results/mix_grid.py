"""A grid of mixtures of two or three sources: what is forecast there, what runs reached, and how good each is."""

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
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.methods.method import StageName
from flpjax.numerics import on_device
from flpjax.results.completion import law_inputs
from flpjax.results.goal import Goal, Scene, Value, divergence
from flpjax.results.path import Band
from flpjax.results.target import Target, mixture_of


def mixture_grid(sources: int, steps: int) -> NDArray[np.float64]:
    """``(point, source)`` all mixtures whose weights are multiples of ``1/steps``; the last source varies fastest."""
    if sources == 2:
        last = np.arange(steps + 1) / steps
        return np.stack([1.0 - last, last], axis=1)
    pairs = [(a, b) for a in range(steps + 1) for b in range(steps + 1 - a)]
    return np.array([((steps - a - b) / steps, a / steps, b / steps) for a, b in pairs])


def expected_at(
    draws: Draws, target: Target, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected losses ``(draw, mixture, domain)`` and scores ``(draw, mixture, task)`` of a target at mixtures.

    Args:
        draws: Of a model with sources.
        target: With its FLOPs.
        weights: ``(mixture, source)``; NaN comes out where the law has no finite value without a source.
    """
    lacking = (weights == 0.0).any(axis=1, keepdims=True) & draws.model.singular
    one = law_inputs([target], draws, mixtures=False)
    repeated = Features({name: np.repeat(leaf, len(weights), axis=0) for name, leaf in one.items()})
    points = repeated.replace(mix=np.where(lacking, np.nan, weights))
    seen = draws.expected(points)
    return np.asarray(seen.loss), np.asarray(seen.score)


SAME_SIZE = 1.05  # ratio of FLOPs up to which two runs are of one size


@dataclass(frozen=True, eq=False)
class Measured:
    """One run, at the end of its training.

    Attributes:
        run: Its name.
        weights: ``(source,)`` its mixture.
        params: N.
        flops: C.
        held_out: Whether no fit has seen it.
        values: ``(output,)`` its scores or losses; NaN where it was not measured.
    """

    run: str
    weights: NDArray[np.float64]
    params: float
    flops: float
    held_out: bool
    values: NDArray[np.float64]

    def to_dict(self, sources: tuple[str, ...], outputs: tuple[str, ...]) -> dict[str, Any]:
        """As JSON has it; what was not measured is left out."""
        return {
            "run": self.run,
            "params": None if np.isnan(self.params) else self.params,
            "flops": self.flops,
            "held_out": self.held_out,
            "weights": dict(zip(sources, map(float, self.weights), strict=True)),
            "values": {n: float(v) for n, v in zip(outputs, self.values, strict=True) if np.isfinite(v)},
        }


def measured_near(
    runs: Runs, target: Target, sources: tuple[str, ...], outputs: tuple[str, ...], kind: StageName
) -> tuple[Measured, ...]:
    """The runs whose FLOPs are nearest to the target's, and all others of that size, held-out ones among them.

    Args:
        runs: The ladder, with mixtures of these sources.
        target: With its FLOPs.
        sources: ``(source,)`` the order of weights.
        outputs: ``(output,)`` names of tasks or of loss domains.
        kind: ``"score"`` or ``"loss"``.
    """
    finals = runs.finals()
    if not len(finals) or any(source not in finals.sources for source in sources):
        return ()
    known = finals.task_names if kind == "score" else finals.domains
    read = finals.score_of if kind == "score" else finals.loss_of
    values = np.stack([read(n) if n in known else np.full(len(finals), np.nan) for n in outputs], axis=1)
    mix = np.stack([finals.mix[:, finals.sources.index(s)] for s in sources], axis=1)
    usable = np.isfinite(values).any(axis=1) & np.isfinite(mix).all(axis=1)
    if not usable.any():
        return ()
    away = np.abs(np.log(finals.flops) - np.log(target.flops or np.nan))
    nearest = int(np.where(usable, away, np.inf).argmin())
    same = usable & (np.abs(np.log(finals.flops / finals.flops[nearest])) <= np.log(SAME_SIZE))
    return tuple(
        Measured(
            finals.names[finals.run[i]],
            mix[i],
            float(finals.params[i]),
            float(finals.flops[i]),
            bool(finals.held_out[finals.run[i]]),
            values[i],
        )
        for i in np.flatnonzero(same)
    )


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

    def to_dicts(self, sources: tuple[str, ...], weights: NDArray[np.float64]) -> list[dict[str, Any]]:
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
    scene = Scene({}, None, on_device(share[counts]), on_device(at_base[usable]), nothing, nothing, nothing)  # type: ignore[arg-type]
    by_mixture = on_device(outputs[usable].swapaxes(0, 1))  # (point, draw, output)
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
