"""The set of candidates that narrows what is wanted most within a spend, chosen one after another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flpjax.results.selection.conditioning import Conditioned, Floats, Joint, compressed

POWERS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Of the cost that a gain is divided by. Gain per FLOP alone fills a spend with small runs, gain alone with one large:
each order is tried, and that is kept which leaves the least variance (Leskovec et al. 2007 take the better of two)."""
MOST = 16  # runs of one plan: more are planned again when the first results are there
LEAST = 0.02  # of the variance that is left: a run that takes away less is not proposed
SEEDS = 12  # candidates that are tried as the first of the order: those that tell most alone
EXCHANGES = 5  # rounds of taking back: the first two or three find what there is to be found
BETTER = 1e-9  # of the variance: differences below are of rounding


class Choice(NamedTuple):
    """What to measure, in order.

    Attributes:
        order: Candidates, by number.
        left: ``(1 + run,)`` weighted variance of what is wanted: now, and after each.
        power: Of the cost, by which they were ordered.
    """

    order: list[int]
    left: Floats
    power: float


class Rules(NamedTuple):
    """As :func:`choose` takes them."""

    most: int
    least: float
    fewest: int
    again: bool
    own: float


def choose(
    joint: Joint,
    cost: Floats,
    spend: float,
    *,
    most: int = MOST,
    least: float = LEAST,
    fewest: int = 0,
    again: bool = False,
    own: float = 0.0,
    powers: tuple[float, ...] = POWERS,
    exchange: bool = True,
) -> Choice:
    """Choose candidates within a spend.

    For each power of the cost, the candidate with the largest gain over that power is taken, one after another, as long
    as the spend allows; so for each of the best few as the first. Of the best order each run is then taken back by
    turns and the spend filled anew, as long as that leaves less.

    Args:
        joint: Of candidates and what is wanted.
        cost: ``(candidate,)``.
        spend: Of all that are chosen.
        most: Of candidates that are chosen.
        least: Share of the variance left that a candidate must take away.
        fewest: Candidates that are chosen though they take away less.
        again: Whether a candidate may be chosen more than once, as runs of other seeds.
        own: Variance of what is wanted that no candidate can take away, weighted: ``least`` is a share of all.
        powers: Of the cost.
        exchange: Whether other first runs are tried, and runs are taken back.
    """
    start = Conditioned.of(compressed(joint))
    rules = Rules(most, least, fewest, again, own)
    tried = [_filled(start, cost, spend, p, [], rules) for p in powers]
    best = min(tried, key=lambda c: c.left[-1])
    if exchange:
        affordable = np.flatnonzero(cost <= spend)
        seeds = affordable[np.argsort(-start.gains[affordable])[:SEEDS]]
        tried += [_filled(start, cost, spend, p, [int(j)], rules) for j in seeds for p in (powers[0], powers[-1])]
        best = min(tried, key=lambda c: c.left[-1])
    for _ in range(EXCHANGES if exchange and len(best.order) > 1 else 0):
        kept = [best.order[:i] + best.order[i + 1 :] for i in range(len(best.order))]
        found = min(
            (_filled(start, cost, spend, p, k, rules) for k in kept for p in (powers[0], powers[-1])),
            key=lambda c: c.left[-1],
        )
        if found.left[-1] >= best.left[-1] - BETTER * best.left[0]:
            break
        best = found
    return best


def _filled(
    state: Conditioned,
    cost: Floats,
    spend: float,
    power: float,
    first: list[int],
    rules: Rules,
) -> Choice:
    """A set that begins with some candidates, filled up to the spend."""
    order: list[int] = []
    left = [state.variance]
    free = np.ones(len(cost), bool)
    while len(order) < rules.most:
        if len(order) < len(first):
            taken = first[len(order)]
        else:
            gain = state.gains
            allowed = free & (cost <= spend)
            if len(order) >= rules.fewest:
                allowed &= gain > rules.least * (left[-1] + rules.own)
            if not allowed.any():
                break
            taken = int(np.argmax(np.where(allowed, np.maximum(gain, 0.0) / cost**power, -np.inf)))
        order.append(taken)
        spend -= float(cost[taken])
        free[taken] = rules.again
        state = state.measured(taken)
        left.append(state.variance)
    return Choice(order, np.array(left), power)
