"""From approaches to the result of `plan`: intervals of N* and D*, loss and scores there, regret, and warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.draws import Draws
from flpjax.fitting.predicted import predict
from flpjax.results.allocation.allocation import Allocation, Optimum, Regret
from flpjax.results.allocation.approach import MOST_LOST, middle
from flpjax.results.allocation.approaches import Approaches
from flpjax.results.allocation.conventions import Convention
from flpjax.results.allocation.law_approach import LawApproach
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.valley import Others, inputs_at
from flpjax.results.prediction import Interval

FAR = 10.0  # times the largest run, beyond which a warning says how far a budget is
LOST = 0.05  # share of draws without an optimum that is worth a word
WIDE = 10.0  # times its lower end, beyond which an interval of N* says hardly anything
BEYOND = 1.5  # times the tokens per parameter of the runs, beyond which an optimum is far from all of them
AROUND, POINTS = np.log(8.0), 33  # of log N to either side of N*, and points of a curve of regret

Floats = NDArray[np.float64]


def described(
    found: Approaches,
    by_law: LawApproach,
    domain: str,
    budgets: Sequence[float],
    limits: Limits,
    level: float,
    others: Others,
    convention: str,
    conventions: tuple[Convention, ...],
) -> Allocation:
    """Make the result of `plan`."""
    draws, approach = by_law.draws, found.headline
    place = draws.model.domains.index(domain)
    params, tokens, ratio = (of(level) for of in (approach.params, approach.tokens, approach.ratio))
    largest = draws.ladder.flops[1]
    optima, regrets = [], []
    for i, budget in enumerate(budgets):
        n, d, r = params[i], tokens[i], ratio[i]
        assert n is not None
        assert d is not None
        assert r is not None
        loss, scores = _there(found, by_law, i, budget, n.median, d.median, place, level, limits, others.at(i))
        flat = np.exp(middle((found.valleys.flat[:, :, i] + found.shift[:, i]).T))
        capped = bool(found.valleys.bound[:, i].mean() > 0.5)
        mix = others.mixes[i] if others.mixes else None
        ends = (float(flat[0]), float(flat[1]))
        optima.append(Optimum(budget, n, d, r, loss, scores, ends, budget / largest, capped, mix))
        regrets.append(_regret(found, i, budget, n.median, level))
    a, b = approach.exponents(level)
    pooled = len(draws.ladder.mixtures)
    blind = (f"this law is blind to mixtures: it pools the ladder's {pooled}",) * (
        pooled > 1 and not draws.model.sources
    )
    said = _warnings(found, optima, draws.ladder.ratio)
    groups = found.groups
    grid, valley = np.zeros((0, 0)), np.zeros((0, 0))
    group_optima: tuple[Interval | None, ...] = ()
    if groups is not None:
        grid, valley = np.exp(groups.grid), np.median(groups.curve, axis=0)
        group_optima = tuple(Interval.of(np.exp(column), level, MOST_LOST) for column in groups.log_params.T)
    return Allocation(
        draws.ladder.source, domain, approach.name, tuple(optima), found.approaches, tuple(regrets), a, b, level,
        len(draws), draws.has_intervals, limits, convention, conventions, found.explained, found.isoflops, grid, valley,
        group_optima, tuple(dict.fromkeys((*draws.warnings, *found.notes, *blind, *said))),
    )  # fmt: skip


def _there(
    found: Approaches,
    by_law: LawApproach,
    i: int,
    budget: float,
    params: float,
    tokens: float,
    place: int,
    level: float,
    limits: Limits,
    others: Others,
) -> tuple[Interval, dict[str, Interval]]:
    """Loss and scores that are expected of N and D, over draws."""
    flops = float(limits.training(np.log(params), budget))

    def expected(draws: Draws) -> list[Floats]:
        one = inputs_at(draws, [budget], limits, others)
        x = one.replace(params=np.log([params]), tokens=np.log([tokens]), flops=np.log([flops]))
        return [np.asarray(v)[:, 0] for v in predict(draws.model, draws.params, x)]

    loss, score = expected(by_law.draws)
    there = Interval.of(loss[:, place], level, MOST_LOST)
    tasks = by_law.draws.model.tasks
    if by_law.scores is not None:
        tasks, score = by_law.scores.model.tasks, expected(by_law.scores)[1]
    each = {t: Interval.of(np.clip(score[:, j], 0.0, 1.0), level, MOST_LOST) for j, t in enumerate(tasks)}
    assert there is not None
    return there, {task: v for task, v in each.items() if v is not None}


def _regret(found: Approaches, i: int, budget: float, params: float, level: float) -> Regret:
    """Loss over each draw's own best, less 1, around the optimum."""
    valleys = found.valleys
    grid, curve, best = valleys.grid[i], valleys.curve[:, i], valleys.loss[:, i]
    at = np.log(params) + np.linspace(-AROUND, AROUND, POINTS)
    at = at[(at >= grid[0]) & (at <= grid[-1])]
    usable = np.flatnonzero(np.isfinite(best))
    loss = np.stack([np.interp(at - found.shift[d, i], grid, curve[d]) for d in usable])
    over = np.maximum(loss / best[usable, None] - 1.0, 0.0)
    known = np.isfinite(over).all(axis=0)
    tail = 0.5 * (1.0 - level)
    lower, median, upper = np.quantile(over[:, known], [tail, 0.5, 1.0 - tail], axis=0)
    return Regret(budget, np.exp(at[known]), median, lower, upper, np.median(loss[:, known], axis=0))


def _warnings(found: Approaches, optima: Sequence[Optimum], ratios: tuple[float, float]) -> list[str]:
    """How far budgets are, optima at the ends of what was tried, draws without an optimum."""
    said = []
    far = [o for o in optima if o.extrapolation > FAR]
    if far:
        said.append(
            f"{far[-1].flops:.3g} FLOPs are {far[-1].extrapolation:.3g} times the largest run's: exponents are carried "
            "on as they are, and intervals don't know whether they change"
        )
    open_ = [o for o in optima if o.params.upper > WIDE * o.params.lower]
    if open_:
        factor = open_[-1].params.upper / open_[-1].params.lower
        said.append(
            f"at {open_[-1].flops:.3g} FLOPs the interval of N* spans a factor of {factor:.3g}: the runs tell hardly "
            "anything; add some on both sides of it"
        )
    low, high = ratios
    beyond = [o for o in optima if not low / BEYOND <= o.ratio.median <= high * BEYOND]
    if beyond:
        said.append(
            f"at {beyond[-1].flops:.3g} FLOPs the best is {beyond[-1].ratio.median:.3g} tokens per parameter, and runs "
            f"have {low:.3g} to {high:.3g}: train some nearer to it"
        )
    lost = float(1.0 - np.isfinite(found.headline.log_params).mean(axis=0).min(initial=1.0))
    if lost > LOST:
        said.append(f"{lost:.0%} of the draws have no lowest loss over N at some budget, and are left out")
    iso = found.isoflops
    if iso is not None and found.groups is not None:
        outside = []
        best = middle(found.groups.log_params)
        for g in range(len(iso)):
            sizes = iso.points.log_params[iso.group == g]
            if best[g] < sizes.min() or best[g] > sizes.max():
                outside.append(f"{np.exp(iso.log_flops[g]):.3g}")
        if outside:
            said.append(
                f"at {', '.join(outside)} FLOPs the optimum lies outside the sizes that were tried: add runs beyond it"
            )
    capped = [f"{o.flops:.3g}" for o in optima if o.capped]
    if capped:
        said.append(f"at {', '.join(capped)} FLOPs the best N is the largest that is allowed")
    return said
