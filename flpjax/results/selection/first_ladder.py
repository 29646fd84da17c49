"""From nothing: a ladder for a target and a spend, chosen and tried on laws that the priors hold possible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jax import Array

from flpjax.errors import InputError, check_count, count, figure, is_positive
from flpjax.ladder.compute import FlopsRule
from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, size
from flpjax.laws.mixture_laws import MixChinchilla
from flpjax.laws.power_law import Chinchilla
from flpjax.numerics import generator, require_x64
from flpjax.results.selection.candidates import RATIOS, SIZES, Candidates, check_affordable, rounded, spread
from flpjax.results.selection.choice import LEAST_GAIN, MOST_RUNS, POWERS, choose
from flpjax.results.selection.conditioning import gains, joint_moments
from flpjax.results.selection.possible import errors_of, possible_laws
from flpjax.results.selection.result import NextRun, NextRuns
from flpjax.results.target import Target

SIX_ND = FlopsRule(0.0, 0.0, 0.0, 0.0)
RATIO = (5.0, 160.0)  # tokens per parameter of the grid: a quarter of Chinchilla's 20, and 8 times as many
SPAN = 64.0  # N of the grid: from the largest that the spend trains at 20 tokens per parameter, so many times down
RERUNS = 2  # of the cheapest run, with other seeds: what scatters is seen by nothing else
LAWS = 1000  # drawn from the priors, that choose
TRUTHS = 64  # of them, that a ladder is tried on


def first_ladder(
    target: Target, spend: float, key: Array, *, law: Law | None = None, most: int = MOST_RUNS, level: float = 0.9
) -> NextRuns:
    """Choose a first ladder for a target, before anything is trained.

    Laws are drawn from the priors, each with a discrepancy as the ladders of the past had them. Runs are chosen on them
    as :func:`flpjax.next_runs` chooses. Each of the ladders so found is then simulated, noise and all, for 64 of the
    laws, and fitted; that with the least error at the target is returned, and the error is what to expect.

    Args:
        target: With N and D; with a mixture, ladders vary the mixture about it.
        spend: In FLOPs, 6·N·D a run.
        key: JAX random key.
        law: Of losses, in N, D and the mixture; None for Chinchilla's.
        most: Runs of the ladder.
        level: Probability of the error.

    Raises:
        InputError: The target has no N and D, the spend is no number or buys too few runs.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("first_ladder")
    if target.params is None or target.tokens is None:
        raise InputError("without a ladder a target needs N and D", where="target", remedy="Write N=7e9,D=4e12")
    if target.features:
        raise InputError(
            f"nothing is known of x/{next(iter(target.features))} before a run",
            where="target",
            remedy="Leave it out, or give a ladder that varies it",
        )
    if not is_positive(spend):
        raise InputError(f"the spend is {figure(spend)}", where="spend", remedy="Give a positive number, in FLOPs")
    target = replace(target, flops=target.flops or SIX_ND(target.params, target.tokens))
    offered = _grid(target, spend)
    check_affordable(offered, spend)
    sources = tuple(target.mix or ())
    others = [replace(target, mix=mix) for _, mix in _mixtures(target)[1:]]
    whole = _features([*offered.runs, *others, target], sources)
    plain = law or (MixChinchilla(len(sources)) if len(sources) > 1 else Chinchilla())
    plain = plain.centred(whole)
    check_count(most, "runs", size(plain), where="first_ladder")
    rng = generator(key, 0)
    possible = possible_laws(Discrepancy(plain).centred(whole), whole, LAWS, rng)
    truth, sd = possible.log_loss, float(np.sqrt(np.mean(possible.noise**2)))
    here = len(offered.runs)
    joint = joint_moments(truth[:, :here, None], truth[:, here:], np.full((here, 1), sd), np.ones(1 + len(others)))
    cost = np.array(offered.cost)
    cheapest = int(np.argmin(cost))
    reruns = RERUNS if most - RERUNS >= size(plain) and (RERUNS + size(plain)) * cost[cheapest] < spend else 0
    rest = spend - reruns * cost[cheapest]
    found = {}
    for power in POWERS:
        for least in (LEAST_GAIN, 0.0):  # as many runs as say something, or as are allowed
            choice = choose(
                joint, cost, rest, most=most - reruns, least=least, fewest=size(plain), powers=(power,), exchange=False
            )
            if len(choice.order) >= size(plain):
                found[tuple(choice.order)] = choice
    if not found:
        raise InputError(
            f"the spend {spend:.3g} buys fewer runs than the law has numbers, {size(plain)}",
            where="spend",
            remedy="Give more",
        )
    x = [(*order, *(cheapest,) * reruns) for order in found]
    errors = [np.quantile(np.abs(errors_of(possible, list(order), most, TRUTHS, rng)), level) for order in x]
    best = int(np.argmin(errors))
    choice, order = list(found.values())[best], x[best]
    alone = gains(joint) / joint.variance
    table = tuple(NextRun(r, float(c), float(a)) for r, c, a in zip(offered.runs, cost, alone, strict=True))
    left = [*(choice.left[1:] / choice.left[0]), *(choice.left[-1:] / choice.left[0]).repeat(reruns)]
    runs = tuple(replace(table[j], place=i + 1, left=float(left[i])) for i, j in enumerate(order))
    note = (
        f"on {TRUTHS} simulated ladders of these runs, {100.0 * level:g} % of forecasts of the target's loss err by at "
        f"most {100.0 * errors[best]:.2g} %; {count(reruns, 'rerun')} with another seed show the noise"
    )
    return NextRuns(target, "priors", level, float(spend), (), runs, table, (note,), float(errors[best]))


def _grid(target: Target, spend: float) -> Candidates:
    """N and D that the spend allows and the target exceeds, at the target's mixture and others about it."""
    assert target.params is not None
    assert target.tokens is not None
    assert target.flops is not None
    high = min(float(np.sqrt(spend / 120.0)), target.params)
    own = target.tokens / target.params
    runs: dict[str, Target] = {}
    for n in spread(high / SPAN, high, SIZES):
        for ratio in spread(min(RATIO[0], own), max(RATIO[1], own), RATIOS):
            for name, mix in _mixtures(target):
                params, tokens = rounded(n), rounded(n * ratio)
                run = Target(f"N={params:.2g},D={tokens:.2g}{name}".replace("+", ""), params, tokens, None, mix)
                run = run.filled(SIX_ND)
                if run.flops is not None and run.flops <= min(spend, target.flops):
                    runs[run.name] = run
    if not runs:
        raise InputError(f"the spend {spend:.3g} buys no run", where="spend", remedy="Give more")
    return Candidates(tuple(runs.values()), tuple(float(r.flops or 0.0) for r in runs.values()), again=False)


def _mixtures(target: Target) -> list[tuple[str, dict[str, float] | None]]:
    """The target's mixture, and with several sources each of them with twice its odds."""
    if target.mix is None:
        return [("", None)]
    if len(target.mix) < 2:
        return [("", dict(target.mix))]
    found: list[tuple[str, dict[str, float] | None]] = [("", dict(target.mix))]
    for source in target.mix:
        more = {s: w * (2.0 if s == source else 1.0) for s, w in target.mix.items()}
        total = sum(more.values())
        found.append((f",more {source}", {s: w / total for s, w in more.items()}))
    return found


def _features(runs: list[Target], sources: tuple[str, ...]) -> Features:
    n, d, c = (np.log([getattr(r, what) for r in runs]) for what in ("params", "tokens", "flops"))
    mix: Any = np.stack([r.weights(sources) for r in runs]) if len(sources) > 1 else ()
    return Features.of_logs(n, d, c, mix)
