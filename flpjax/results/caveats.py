"""What a reader should know of a forecast: what is not forecast and why, and what is unusual about the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import count, some_of
from flpjax.fitting.draws import Draws
from flpjax.laws.discrepancy import Discrepancy
from flpjax.methods.method import Model
from flpjax.results.prediction import Interval
from flpjax.results.target import Target

BLURRED = 0.05  # Monte Carlo error of a median over the width of its interval, above which more draws are worth it


def not_forecast(draws: Draws, targets: Sequence[Target], lost: NDArray[np.float64]) -> list[str]:
    """Which targets, and which outputs, have no forecast, why, and what to do.

    Args:
        draws: Of a model.
        targets: As far as the ladder completes them.
        lost: ``(target, output)`` share of the draws without a value.
    """
    model = draws.model
    names = np.array([*model.domains, *model.tasks])
    gone = lost > draws.most_lost
    words, explained = [], np.zeros(len(targets), bool)
    for i, target in enumerate(targets):
        why = _lacking(draws, target) if gone[i].any() else ""
        if why:
            explained[i] = True
            part = " is" if gone[i].all() else f": {_quoted(names[gone[i]])}"
            words.append(f"target '{target.name}'{part} not forecast: {why}")
    rest = ~explained
    if not rest.any():
        return words
    everywhere = gone[rest].all(axis=0)
    for name, share in zip(names[everywhere], lost[rest][:, everywhere].max(axis=0), strict=True):
        words.append(f"'{name}' is not forecast: {_share(share)}")
    for i in map(int, np.flatnonzero(rest)):
        words += [
            f"target '{targets[i].name}', '{names[j]}' is not forecast: {_share(lost[i, j])}"
            for j in np.flatnonzero(gone[i] & ~everywhere)
        ]
    return words


def _lacking(draws: Draws, target: Target) -> str:
    """What a law needs that a target does not have; empty if nothing."""
    model = draws.model
    if model.singular and target.mix is not None and (target.weights(model.sources) == 0.0).any():
        empty = model.sources[int(target.weights(model.sources).argmin())]
        return (
            f"source '{empty}' has no compute, where this law makes the loss zero or infinite; use a floor ('-floor' "
            "in names of methods) or a law that is finite there, as M3"
        )
    if (target.params is None or target.tokens is None) and draws.ladder.size is None:
        return (
            "this law needs its N and D, and the ladder has no rule to take them from: "
            f"{draws.ladder.no_size}; write N=7e9,D=4e12, or name a method in C alone, such as power+sigmoid"
        )
    return ""


def _share(share: float) -> str:
    if share == 1.0:
        return "no draw could be fitted"
    return (
        f"{share:.0%} of the draws have no value, and those left are no fair sample; add runs, or name a method with "
        "fewer parameters"
    )


def outside(targets: Sequence[Target], model: Model, score: NDArray[np.float64]) -> list[str]:
    """Which targets have scores ``(draw, target, task)`` that no model can have, and what to do."""
    warnings, tasks = [], model.tasks
    departs = any(isinstance(part.law, Discrepancy) for part in getattr(model, "maps", ()))
    why = (
        "what a law may be wrong by has no bounds so far from the runs; a larger run would tell"
        if departs
        else "the form has no bounds there; a sigmoid has"
    )
    known = np.isfinite(score).sum(axis=0)
    most = np.maximum((score < 0.0).sum(axis=0), (score > 1.0).sum(axis=0))
    may_leave = (2 * most >= known) & (known > 0)  # the others' medians lie within
    for i, target in enumerate(targets):
        median = {tasks[j]: float(np.nanmedian(score[:, i, j])) for j in np.flatnonzero(may_leave[i])}
        beyond = [f"'{task}' ({value:.2f})" for task, value in median.items() if not 0.0 <= value <= 1.0]
        if beyond:
            clipped = f"left the scale of scores, 0 to 1, and {'was' if len(beyond) == 1 else 'were'} clipped"
            warnings.append(f"target '{target.name}': {', '.join(beyond)} {clipped}: {why}")
    return warnings


def falling(draws: Draws) -> list[str]:
    """Which tasks fall with scale, by which map they are forecast, and what their forecasts are kept within."""
    mapped: frozenset[str] = getattr(draws.model, "falling", frozenset())
    words = []
    for f in draws.ladder.falling:
        if f.task not in draws.model.tasks:
            continue
        what = f"'{f.task}' falls with scale on this ladder ({100 * f.first:.1f} to {100 * f.last:.1f})"
        low = f"{100 * f.lower:.1f}, chance or the lowest measured"
        if f.task in mapped:
            how = (
                f": a map that falls takes part, and forecasts are kept above {low}, and below "
                f"{100 * f.ceiling[0]:.1f}, the highest: some tasks turn and rise again, which small models can't show"
            )
        else:
            how = (
                ", which this method has no map for (auto and 'falling', as in chinchilla+falling, have): forecasts "
                f"are kept above {low}, and below what was measured at as much compute, beyond the ladder "
                f"{100 * f.ceiling[-1]:.1f}"
            )
        words.append(what + how)
    return words


def blurred(intervals: Sequence[dict[str, Interval]], draws: int, level: float) -> list[str]:
    """Whether the draws are too few for the interval's ends, or blur medians noticeably: a warning, or none."""
    least = int(np.ceil(2.0 / (1.0 - level) - 1e-9))
    if draws < least:
        return [
            f"{count(draws, 'draw')} can't tell the ends of a {100 * level:.4g}% interval: take {least} at least "
            "(--draws)"
        ]
    every = [(name, v) for each in intervals for name, v in each.items() if v.upper > v.lower]
    share, name = max(((v.error / (v.upper - v.lower), name) for name, v in every), default=(0.0, ""))
    if share <= BLURRED:
        return []
    return [
        f"{draws} draws are few: the Monte Carlo error of a median is up to {share:.0%} of the width of its interval "
        f"('{name}'); take more (--draws)"
    ]


def _quoted(names: Sequence[str]) -> str:
    return some_of([f"'{name}'" for name in names])
