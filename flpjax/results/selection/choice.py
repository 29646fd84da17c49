"""The set of candidate runs that leaves the least variance for a budget: a greedy search, improved by exchanges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flpjax.results.selection.conditioning import Conditioned, Floats, Joint, compressed

POWERS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Exponents p of the criterion ``gain / cost^p``. With p = 1 a budget fills with small runs, with p = 0 with one large
run: each is tried, and the one that leaves the least variance is kept (Leskovec et al. 2007 take the better of two)."""
MOST_RUNS = 16  # in one plan: further runs are better chosen when the first results are there
LEAST_GAIN = 0.02  # share of the remaining variance: a run that removes less is not proposed
FIRST_RUNS = 12  # candidates that are tried as the first of a set: those of the largest gains
EXCHANGES = 5  # rounds of removing one run and filling up: seldom does one after the third find anything
TOLERANCE = 1e-9  # share of the variance: smaller improvements are rounding errors


class Choice(NamedTuple):
    """The runs to measure, in order.

    Attributes:
        order: Indices of candidates, that which removes most of the variance first.
        left: ``(1 + run,)`` weighted variance of the quantities of interest before any run, and after each.
        power: The exponent p of ``gain / cost^p`` by which they were chosen.
    """

    order: list[int]
    left: Floats
    power: float


class StoppingRules(NamedTuple):
    """Arguments of :func:`choose` that say when a set is complete, and whether a candidate may be in it twice."""

    most: int
    least: float
    fewest: int
    again: bool
    irreducible: float


def choose(
    joint: Joint,
    cost: Floats,
    spend: float,
    *,
    most: int = MOST_RUNS,
    least: float = LEAST_GAIN,
    fewest: int = 0,
    again: bool = False,
    irreducible: float = 0.0,
    powers: tuple[float, ...] = POWERS,
    exchange: bool = True,
) -> Choice:
    """Choose candidates whose costs together are within a budget.

    For each power p, the affordable candidate with the largest ``gain / cost^p`` is added until none is left; the same
    from each of the :data:`FIRST_RUNS` candidates of largest gain as the first. In the best set, each run in turn is
    removed and the set filled up again, as long as that leaves less variance.

    Args:
        joint: Draws of the candidates' measurements and of the quantities of interest.
        cost: ``(candidate,)``.
        spend: The budget, in the unit of ``cost``.
        most: Largest number of runs in the set.
        least: Share of the remaining variance that a run must remove.
        fewest: Number of runs that are chosen even if they remove less.
        again: Whether a candidate may be chosen more than once, as runs of other seeds.
        irreducible: Weighted variance that no run can remove, such as the target's own noise; added to the remaining
            variance before ``least`` is applied.
        powers: Exponents p.
        exchange: Whether other first runs, and exchanges, are tried.
    """
    start = Conditioned.of(compressed(joint))
    rules = StoppingRules(most, least, fewest, again, irreducible)
    tried = [_filled(start, cost, spend, p, [], rules) for p in powers]
    best = min(tried, key=lambda c: c.left[-1])
    if exchange:
        affordable = np.flatnonzero(cost <= spend)
        first_runs = affordable[np.argsort(-start.gains[affordable])[:FIRST_RUNS]]
        tried += [_filled(start, cost, spend, p, [int(j)], rules) for j in first_runs for p in (powers[0], powers[-1])]
        best = min(tried, key=lambda c: c.left[-1])
    for _ in range(EXCHANGES if exchange and len(best.order) > 1 else 0):
        kept = [best.order[:i] + best.order[i + 1 :] for i in range(len(best.order))]
        found = min(
            (_filled(start, cost, spend, p, k, rules) for k in kept for p in (powers[0], powers[-1])),
            key=lambda c: c.left[-1],
        )
        if found.left[-1] >= best.left[-1] - TOLERANCE * best.left[0]:
            break
        best = found
    return _ordered(start, best, rules)


def _ordered(state: Conditioned, choice: Choice, rules: StoppingRules) -> Choice:
    """The same runs, that which removes most of the variance first, and so on; those that then remove too little go."""
    rest, left = list(choice.order), [state.variance]
    order: list[int] = []
    while rest:
        gain = state.gains
        candidate = max(rest, key=lambda j: float(gain[j]))
        if len(order) >= rules.fewest and gain[candidate] <= rules.least * (left[-1] + rules.irreducible):
            break
        rest.remove(candidate)
        state = state.measured(candidate)
        order.append(candidate)
        left.append(state.variance)
    return Choice(order, np.array(left), choice.power)


def _filled(
    state: Conditioned,
    cost: Floats,
    spend: float,
    power: float,
    first: list[int],
    rules: StoppingRules,
) -> Choice:
    """The candidates ``first``, and then by ``gain / cost^power`` those that the budget allows."""
    order: list[int] = []
    left = [state.variance]
    free = np.ones(len(cost), bool)
    while len(order) < rules.most:
        if len(order) < len(first):
            candidate = first[len(order)]
        else:
            gain = state.gains
            allowed = free & (cost <= spend)
            if len(order) >= rules.fewest:
                allowed &= gain > rules.least * (left[-1] + rules.irreducible)
            if not allowed.any():
                break
            candidate = int(np.argmax(np.where(allowed, np.maximum(gain, 0.0) / cost**power, -np.inf)))
        order.append(candidate)
        spend -= float(cost[candidate])
        free[candidate] = rules.again
        state = state.measured(candidate)
        left.append(state.variance)
    return Choice(order, np.array(left), power)
