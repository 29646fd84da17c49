"""What a target leaves out, taken from the ladder: D or N by its rule of FLOPs, N by its rule of sizes, a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from flpjax.errors import some_of
from flpjax.fitting.draws import Draws, LadderSummary
from flpjax.ladder.features import Features
from flpjax.methods.mixtures import SAME, describe
from flpjax.results.target import Target

STEP = np.sqrt(3.0) - 1.0  # of the even numbers that tell draws of N apart; not those of `scatter`
SIZE_LEVEL = 0.9  # probability of the interval of N in words
CLEARLY = 1.005  # a factor that three digits tell from 1


def logs_of(targets: Sequence[Target]) -> Features:
    """Logarithms of N, D and C of targets, leaves ``(target,)``; NaN where they are not given."""
    sizes = ([getattr(t, what) for t in targets] for what in ("params", "tokens", "flops"))
    return Features.of_logs(*(np.log([np.nan if v is None else v for v in values]) for values in sizes))


def law_inputs(targets: Sequence[Target], draws: Draws, mixtures: bool = True) -> Features:
    """The features of targets as the laws of a model see them, leaves ``(target,)``; NaN where N, D or C are not given.

    Args:
        targets: What to forecast.
        draws: Of the model.
        mixtures: Give mixtures too, if the model reads them; NaN where a target has none.

    Raises:
        InputError: A target lacks a feature that a law reads, or its mixture is not of the ladder's sources.
    """
    sources = draws.model.sources if mixtures else ()
    weights: Any = np.stack([t.weights(sources) for t in targets]) if sources else ()
    each = [t.transformed(draws.ladder.features, draws.model.inputs) for t in targets]
    others = {name: np.array([values[name] for values in each]) for name in each[0]}
    return logs_of(targets).replace(mix=weights, **others)


def completed(target: Target, ladder: LadderSummary) -> Target:
    """With N and D by the ladder's rules: exact where FLOPs and one of them are given, else those of its usual model.

    A target in FLOPs alone stays as it is on a ladder that has no rule of sizes.
    """
    target = target.filled(ladder.rule)
    assert target.flops is not None
    if np.isnan(ladder.rule.extra):
        return target
    if target.tokens is not None and target.params is None:
        return replace(target, params=ladder.rule.params(target.tokens, target.flops))
    params = target.params
    if params is None and ladder.size is not None:
        params = ladder.size.params(target.flops)
    if params is None or target.tokens is not None:
        return target
    return replace(target, params=params, tokens=float(ladder.rule.tokens(np.asarray(params), target.flops)))


def with_mixture(target: Target, draws: Draws) -> Target:
    """With the ladder's mean mixture, if it has none and the model reads mixtures.

    Raises:
        InputError: The target's mixture is not one of the ladder's sources.
    """
    sources = draws.ladder.sources
    if target.mix is not None and sources:
        target.weights(sources)
    if target.mix is not None or not draws.model.sources or not draws.ladder.mean_mix:
        return target
    return replace(target, mix=dict(zip(sources, draws.ladder.mean_mix, strict=True)))


def spread_of_sizes(compute: Features, without: NDArray[np.bool_], ladder: LadderSummary, draws: int) -> Features:
    """Leaves ``(draw, target, …)``: N of targets in FLOPs alone by the ladder's rule of sizes, with its scatter, and D.

    Args:
        compute: Of completed targets, leaves ``(target, …)``.
        without: ``(target,)`` those that were given by FLOPs alone.
        ladder: Has a rule of sizes.
        draws: How many; they fill the rule's predictive distribution, Student's t, evenly.
    """
    size = ladder.size
    assert size is not None
    level = (np.arange(1, draws + 1) * STEP) % 1.0
    flops = np.exp(compute.log_flops)
    away = stdtrit(size.freedom, level)[:, None] * np.array([size.sd_at(c) for c in flops])[None, :]
    log_params = compute.log_params + np.where(without, away, 0.0)
    log_tokens = np.where(
        without, np.log(ladder.rule.tokens(np.exp(log_params), flops)), np.broadcast_to(compute.log_tokens, away.shape)
    )
    every = {name: np.broadcast_to(leaf, (draws, *leaf.shape)) for name, leaf in compute.items()}
    return Features({**every, "params": log_params, "tokens": log_tokens})


def words_of_sizes(target: Target, ladder: LadderSummary, carried: bool = True) -> str:
    """What N and D a completed target was given, and how sure they are.

    Args:
        target: Completed.
        ladder: Has a rule of sizes.
        carried: Whether intervals carry what the rule leaves open.
    """
    size = ladder.size
    assert size is not None
    assert target.flops is not None
    wide = float(np.exp(stdtrit(size.freedom, 0.5 + 0.5 * SIZE_LEVEL) * size.sd_at(target.flops)))
    how_sure = (
        f", each within a factor {wide:.3g} ({SIZE_LEVEL:.0%}), which intervals{'' if carried else ' do not'} carry"
    )
    return (
        f"target '{target.name}' has FLOPs only: N and D taken from the ladder's own rule: N={target.params:.3g}, "
        f"D={target.tokens:.3g}{how_sure if wide >= CLEARLY else ''}; write N=…,D=… if you know them"
    )


def words_of_mixtures(targets: Sequence[Target], given: Sequence[Target], draws: Draws) -> list[str]:
    """Which mixture targets were given, or that the model is blind to mixtures.

    Args:
        targets: With mixtures, where the model reads them.
        given: The same as they were asked for.
        draws: Of the model.
    """
    sources, tried = draws.ladder.sources, len(draws.ladder.mixtures)
    with_mix = [t.name for t in given if t.mix is not None]
    if not sources:
        return [f"the ladder has no mixtures: that of {_quoted(with_mix)} has no part"] * bool(with_mix)
    if not draws.model.sources:
        if tried < 2 and not with_mix:
            return []
        here = np.array(draws.ladder.mixtures)
        other = [
            t.name for t in given if t.mix is not None and np.abs(here - t.weights(sources)).max(axis=1).min() >= SAME
        ]
        if tried < 2 and not other:
            return []
        part = f", and that of {_quoted(with_mix)} has no part in its forecast" if with_mix else ""
        return [f"this method is blind to mixtures: it pools the ladder's {tried}{part}; 'auto' and 'm3+…' know them"]
    mean = describe(np.array(draws.ladder.mean_mix), sources)
    which = "the ladder's only one" if tried == 1 else f"the mean of the ladder's {tried}"
    how = ",".join(f"mix/{s}=…" for s in sources[:2]) + ",…" * (len(sources) > 2)
    return [
        f"target '{was.name}' has no mixture: {which} is taken, {mean}; for another write {how}"
        for was in given
        if was.mix is None
    ]


def _quoted(names: Sequence[str]) -> str:
    return some_of([f"'{name}'" for name in names])
