"""Weights of methods by what each would have forecast, and how well their blend would have held what came."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.blending.drift import Drift

Floats = NDArray[np.float64]
N_EFFECTIVE_LOSS, N_EFFECTIVE_SCORE, N_EFFECTIVE_CHANCE = (
    0.2,
    0.5,
    0.15,
)  # facts that a forecast run counts for: errors are much alike
"""Of losses, of scores, and of scores near chance, whose record says little of what they do once they emerge."""
SINGLE_MODEL_SHARE_LOSS, SINGLE_MODEL_SHARE_SCORE, SINGLE_MODEL_SHARE_CHANCE = (
    0.75,
    0.5,
    1.0,
)  # how much a draw is one method rather than the mean of all
NO_IRREDUCIBLE_LOSS_WEIGHT = (
    0.25  # weight of a method whose loss falls to 0, before a ladder says anything, where 1 is another's
)
OWN = 0.8  # how much an output's own record counts in its weights, against that of all outputs of its kind
LEAST = 0.01  # weight below which a method is left out


def stack(
    drift: Drift,
    is_loss: NDArray[np.bool_],
    emerged: NDArray[np.bool_],
    available: NDArray[np.bool_],
    prior_weight: Floats,
) -> Floats:
    """Weights ``(member, output)`` that sum to 1, or to 0 where none forecasts: ``before·e^{n·sharp·mean log score}``.

    Where a member could not forecast a run that others could, it gets the lowest of their scores.

    Args:
        drift: With the held-out log scores.
        is_loss: ``(output,)``.
        emerged: ``(output,)`` whether a score's largest runs are above chance.
        available: ``(member, output)`` whether the fit to all runs forecasts it.
        prior_weight: ``(member,)`` weights before the ladder says anything.
    """
    usable = np.where(available[:, None], drift.held_out, np.nan)
    worst = np.where(np.isfinite(usable), usable, np.inf).min(axis=0, initial=np.inf)
    scored = np.isfinite(worst)  # (run, output)
    filled = np.where(scored, np.where(np.isfinite(usable), usable, worst), 0.0)
    runs = np.maximum(scored.sum(axis=0), 1)
    mean = filled.sum(axis=1) / runs  # (member, output)
    pooled = np.zeros_like(mean)
    for kind in (is_loss, ~is_loss):
        have = available[:, kind]
        behind = np.where(have, mean[:, kind] - mean[:, kind].max(axis=0, initial=-np.inf), 0.0)
        pooled[:, kind] = (behind.sum(axis=1) / np.maximum(have.sum(axis=1), 1))[:, None]
    n_effective = np.where(is_loss, N_EFFECTIVE_LOSS, np.where(emerged, N_EFFECTIVE_SCORE, N_EFFECTIVE_CHANCE))
    log_likelihood = n_effective * runs * (OWN * mean + (1.0 - OWN) * pooled)
    log_weight = np.where(available, np.log(prior_weight)[:, None] + log_likelihood, -np.inf)
    top = log_weight.max(axis=0)
    weight = np.exp(log_weight - np.where(np.isfinite(top), top, 0.0))
    weight = _shared_out(weight)
    return _shared_out(np.where(weight >= LEAST, weight, 0.0))


def _shared_out(weight: Floats) -> Floats:
    total = weight.sum(axis=0)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)


def single_model_share(is_loss: NDArray[np.bool_], emerged: NDArray[np.bool_]) -> Floats:
    """``(output,)`` how much a draw of the blend is one method rather than the weighted mean of all.

    Methods that err in opposite directions are better averaged; of a task near chance some see nothing and some all of
    what will come, and between them lies what no method says.
    """
    return np.where(
        is_loss, SINGLE_MODEL_SHARE_LOSS, np.where(emerged, SINGLE_MODEL_SHARE_SCORE, SINGLE_MODEL_SHARE_CHANCE)
    )


def covered(drift: Drift, run: NDArray[np.intp], distance: Floats) -> tuple[int, int, float, float]:
    """How a blend's central intervals would have held what came.

    Args:
        drift: Of the blend, as of one member: with the level of what came in its distribution.
        run: ``(cell,)`` the run that was forecast.
        distance: ``(cell,)`` how far beyond what was seen.

    Returns:
        Runs that were forecast from smaller ones; all cells; and the shares of cells that 50 % and 90 % intervals hold,
        NaN without cells.
    """
    (level,) = drift.level
    scored = np.isfinite(level)
    if not scored.any():
        return 0, 0, float("nan"), float("nan")
    half, most = (float(np.mean(np.abs(level[scored] - 0.5) <= 0.5 * p)) for p in (0.5, 0.9))
    return len(np.unique(run[scored.any(axis=1) & (distance > 0.0)])), int(scored.sum()), half, most
