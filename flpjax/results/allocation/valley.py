"""The lowest loss at a budget over N, draw by draw: a grid that no second valley escapes, and a finer one around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws
from flpjax.fitting.predicted import predict
from flpjax.ladder.compute import FlopsRule
from flpjax.ladder.features import Features
from flpjax.laws.repeated import UNIQUE
from flpjax.results.allocation.limits import Limits
from flpjax.results.completion import law_inputs, with_mixture
from flpjax.results.lowest_point import lowest_point
from flpjax.results.target import Target

RATIOS = (1e-4, 1e12)
"""Tokens per parameter that are searched: orders of magnitude beyond any published optimum, so that one that is found
at an end is no optimum."""
COARSE, ZOOMS = 185, 3
"""Points of log N, .1 apart, where a valley between two curved power laws has one dip; and how many finer grids follow,
each half as wide: a parabola through points .006 apart errs by 1e-5."""
FLAT = 1e-3
"""Relative loss above the best within which sizes count as equally good: what reruns differ by is twice that."""

ENDLESS = 1e30  # tokens: no budget repeats them

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Others:
    """What else a model is told of, besides N, D and C.

    Attributes:
        features: Feature → value, of all budgets.
        mixes: ``(budget,)`` source → weight; () for the mean of the ladder's.
    """

    features: Mapping[str, float] = field(default_factory=dict)
    mixes: tuple[Mapping[str, float], ...] = ()

    def at(self, i: int) -> Others:
        """Of one budget alone."""
        return replace(self, mixes=self.mixes[i : i + 1])

    def __bool__(self) -> bool:
        return bool(self.features or self.mixes)


@dataclass(frozen=True, eq=False)
class Valleys:
    """Where each draw's loss is lowest at each budget.

    Attributes:
        log_params: ``(draw, budget)`` log N*; NaN where a draw has no dip.
        log_tokens: ``(draw, budget)`` log D*.
        loss: ``(draw, budget)`` there.
        flat: ``(2, draw, budget)`` the lowest and the highest log N whose loss is within :data:`FLAT` of the best.
        grid: ``(budget, point)`` log N.
        curve: ``(draw, budget, point)`` losses on the grid; NaN where the budget pays no tokens.
        bound: ``(draw, budget)`` whether the best is at the cap of N.
    """

    log_params: Floats
    log_tokens: Floats
    loss: Floats
    flat: Floats
    grid: Floats
    curve: Floats
    bound: NDArray[np.bool_]


def valleys(
    draws: Draws,
    budgets: Sequence[float],
    domain: int,
    limits: Limits | None = None,
    others: Others | None = None,
    rule: FlopsRule | None = None,
) -> Valleys:
    """Search every draw's valley at every budget.

    Args:
        draws: Of a model that reads N and D.
        budgets: ``(budget,)`` FLOPs.
        domain: The loss that is lowest at an optimum.
        limits: What to keep to.
        others: What else the model is told of.
        rule: How FLOPs are counted; None for the ladder's own way.

    Raises:
        InputError: Inference alone costs a budget, or a feature that laws read is not given.
    """
    limits, rule = limits or Limits(), rule or draws.ladder.rule
    template = inputs_at(draws, budgets, limits, others or Others())
    parts = []
    for i, budget in enumerate(budgets):
        grid = _grid(budget, limits, rule)
        curve = losses_at(draws, template, i, np.tile(grid, (1, 1)), budget, limits, rule, domain)
        parts.append((grid, curve, *_lowest(draws, template, i, grid, curve, budget, limits, rule, domain)))
    grid, curve, at, value, bound = (np.stack(v, axis=0) for v in zip(*parts, strict=True))
    log_tokens = np.stack([limits.log_tokens(n, c, rule) for n, c in zip(at, budgets, strict=True)])
    flat = np.stack([_flat(g, c, v, n) for g, c, v, n in zip(grid, curve, value, at, strict=True)], axis=-1)
    return Valleys(at.T, log_tokens.T, value.T, flat, grid, curve.swapaxes(0, 1), bound.T)


def inputs_at(draws: Draws, budgets: Sequence[float], limits: Limits, others: Others) -> Features:
    """Features of one model a budget, leaves ``(budget, …)``, in which N, D and C are to be replaced.

    A law that knows what repetition is worth is told of endless data, unless there is a limit.
    """
    features = dict(others.features)
    if UNIQUE in draws.model.inputs and UNIQUE not in features:
        features[UNIQUE] = ENDLESS if limits.unique_tokens is None else limits.unique_tokens
    mixes = others.mixes or (None,) * len(budgets)
    targets = [
        Target(f"{c:.3g} FLOPs", 1e9, 1e9, c, mix=mix, features=features) for c, mix in zip(budgets, mixes, strict=True)
    ]
    return law_inputs([with_mixture(t, draws) for t in targets], draws)


def losses_at(
    draws: Draws,
    template: Features,
    at: int,
    log_params: Floats,
    budget: float,
    limits: Limits,
    rule: FlopsRule,
    domain: int,
) -> Floats:
    """Losses ``(draw, point)`` at one budget, of log N ``(1, point)`` for all draws or ``(draw, point)``."""
    shape = log_params.shape
    log_tokens = limits.log_tokens(log_params, budget, rule)
    paid = np.isfinite(log_tokens)
    log_flops = np.log(np.where(paid, limits.training(log_params, budget), budget))
    others = jax.tree.map(lambda v: np.broadcast_to(np.asarray(v)[at], (*shape, *np.shape(v)[1:])), template)
    x = others.replace(params=log_params, tokens=np.where(paid, log_tokens, 0.0), flops=log_flops)
    if shape[0] == 1:
        x = jax.tree.map(lambda v: v[0], x)
    loss = np.asarray(predict(draws.model, draws.params, x).loss)[:, :, domain]
    return np.where(paid, loss, np.nan)


def _grid(budget: float, limits: Limits, rule: FlopsRule) -> Floats:
    """``(point,)`` log N from the lowest to the highest that is looked at."""
    low, high = (0.5 * np.log(budget / 6.0 / ratio) for ratio in reversed(RATIOS))
    if limits.most_params is not None:
        if np.log(limits.most_params) <= low:
            raise InputError(
                f"N is at most {limits.most_params:.3g}, of which {budget:.3g} FLOPs pay {RATIOS[1]:.0e} tokens each",
                where="most_params",
                remedy="Give a larger cap, or a smaller budget",
            )
        high = min(high, float(np.log(limits.most_params)))
    grid = np.linspace(low, high, COARSE)
    if np.isfinite(limits.log_tokens(grid, budget, rule)).sum() < COARSE // 4:
        raise InputError(
            f"{limits.inference_tokens:.3g} tokens of inference cost all of {budget:.3g} FLOPs",
            where="inference_tokens",
            remedy="The budget pays for training and for inference: give a larger one",
        )
    return grid


def _lowest(
    draws: Draws,
    template: Features,
    i: int,
    grid: Floats,
    curve: Floats,
    budget: float,
    limits: Limits,
    rule: FlopsRule,
    domain: int,
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Log N ``(draw,)``, the loss there, and whether that is at the cap; NaN where there is no dip."""
    known = np.isfinite(curve)
    filled = np.where(known, curve, np.inf)
    best = filled.argmin(axis=1)
    last = np.where(known.any(axis=1), known.shape[1] - 1 - known[:, ::-1].argmax(axis=1), 0)
    capped = limits.most_params is not None and grid[-1] >= np.log(limits.most_params) - 1e-9
    at_cap = (best == last) & (last == len(grid) - 1) & capped
    step = grid[1] - grid[0]

    def losses(points: Floats) -> Floats:
        return losses_at(draws, template, i, points[..., 0], budget, limits, rule, domain)

    place, value = lowest_point(losses, grid[:, None], curve, np.array([step]), ZOOMS, grid[-1:])
    at, row = place[:, 0], np.arange(len(place))
    dips = known.any(axis=1) & (best > 0) & (best < last)
    at = np.where(at_cap, grid[-1], at)
    value = np.where(at_cap, filled[row, best], value)
    there = dips | at_cap
    return np.where(there, at, np.nan), np.where(there, value, np.nan), at_cap


def _flat(grid: Floats, curve: Floats, value: Floats, at: Floats) -> Floats:
    """``(2, draw)`` ends of the part of one budget's valley within :data:`FLAT` of its lowest, to both sides of it."""
    found = np.full((2, len(at)), np.nan)
    for d in np.flatnonzero(np.isfinite(at)):
        over = curve[d] - value[d] * (1.0 + FLAT)
        bad = ~(over <= 0)
        left, right = np.flatnonzero(bad & (grid < at[d])), np.flatnonzero(bad & (grid > at[d]))
        found[0, d] = _crossing(grid, over, left[-1], at[d], value[d]) if len(left) else grid[0]
        found[1, d] = _crossing(grid, over, right[0], at[d], value[d]) if len(right) else grid[-1]
    return found


def _crossing(grid: Floats, over: Floats, outside: int, at: float, value: float) -> float:
    """Where the loss meets the level between a point of the grid outside and its neighbour towards the optimum."""
    inside = outside + (1 if grid[outside] < at else -1)
    position, height = float(grid[inside]), float(over[inside])
    if not 0 <= inside < len(grid) or (position - at) * (grid[outside] - at) < 0 or height > 0:
        position, height = at, -value * FLAT
    if not np.isfinite(over[outside]):
        return position
    share = -height / max(float(over[outside]) - height, 1e-300)
    return float(position + share * (grid[outside] - position))
