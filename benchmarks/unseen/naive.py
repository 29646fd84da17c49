"""What costs no thought: the value of the last scale carried on, and a line through the last three."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flpjax import Runs

Floats = NDArray[np.float64]
SCALE = 0.25  # e-folds of FLOPs below the largest run of a scale that still belong to it
SCALES = 3
Rule = Callable[[Floats, Floats, float], float]  # log FLOPs and values of the runs, log FLOPs of the target


def last(training: Runs, asked: Runs) -> Floats:
    """``(1, target, output)`` log losses and scores of the run on the last scale that is most like the target.

    Most like in mixture, then in tokens per parameter.
    """
    return _each(training, asked, 1, lambda _, values, at: float(values[-1]))


def line(training: Runs, asked: Runs) -> Floats:
    """``(1, target, output)`` by least squares in log FLOPs through those runs of the last three scales; scores 0 to 1.

    With two scales it is the line through both, with one the value carried on.
    """
    found = _each(training, asked, SCALES, _extended)
    scores = found[:, :, len(asked.domains) :]
    np.clip(scores, 0.0, 1.0, out=scores)
    return found


def scales_of(log_flops: Floats) -> NDArray[np.int64]:
    """``(run,)`` the scale of each, 0 for the largest: greedily from the top."""
    order = np.argsort(-log_flops, kind="stable")
    scale = np.zeros(len(order), np.int64)
    top, here = log_flops[order[0]], 0
    for i in order:
        if log_flops[i] < top - SCALE:
            top, here = log_flops[i], here + 1
        scale[i] = here
    return scale


def _extended(log_flops: Floats, values: Floats, at: float) -> float:
    if len(values) == 1:
        return float(values[0])
    return float(np.polyval(np.polyfit(log_flops, values, 1), at))


def _each(training: Runs, asked: Runs, count: int, rule: Rule) -> Floats:
    known = training.finals()
    values = np.concatenate([np.log(known.loss), known.score], axis=1)
    log_flops, unlike = np.log(known.flops), _unlike(known, asked)
    found = np.full((1, len(asked), values.shape[1]), np.nan)
    for j in range(values.shape[1]):
        rows = np.flatnonzero(np.isfinite(values[:, j]))
        if not len(rows):
            continue
        scale = scales_of(log_flops[rows])
        for i in range(len(asked)):
            on = [rows[scale == k] for k in range(min(count, scale.max() + 1))]
            chosen = np.array([here[unlike[i, here].argmin()] for here in reversed(on)])
            found[0, i, j] = rule(log_flops[chosen], values[chosen, j], float(np.log(asked.flops[i])))
    return found


def _unlike(known: Runs, asked: Runs) -> Floats:
    """``(target, run)`` how different they are: in mixture first, then in the logarithm of tokens per parameter."""
    ratio = [np.log(runs.tokens / runs.params) for runs in (known, asked)]
    mix = np.abs(asked.mix[:, None, :] - known.mix[None, :, :]).sum(axis=2)
    return 1e3 * mix.round(6) + np.abs(ratio[1][:, None] - ratio[0][None, :])
