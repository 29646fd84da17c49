"""Model error, by how far rolling forecasts drift from what was measured; and weights of methods by the same.

What is measured departs from a forecast as ``t_4(0, √((k·spread)² + between_model_sd² + noise² + (τ·distance)²))``: the
uncertainty of the parameters, that of the choice of method in a blend, the noise of one run, and a drift that grows
with extrapolation. A law is wrong far from its data, and no posterior of its parameters knows by how much: τ has a
posterior of its own, from the runs that were forecast. Methods are weighed by what each would have forecast of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, stdtr

from flpjax.fitting.blending.rolling import RollingErrors

Floats = NDArray[np.float64]
FREEDOM = 4.0  # of Student's t
GRID = np.exp(np.linspace(np.log(1e-4), np.log(0.5), 48))  # values of τ, per e-fold of FLOPs
TYPICAL_DRIFT = (0.004, 0.01)  # τ of a log loss and of a score, before a ladder says anything
METHOD_LOG_SD, OUTPUT_LOG_SD = (
    1.0,
    1.0,
)  # s.d. of log τ: of a method's own about what is usual, of an output's about its method's
SPREAD_SCALES = np.array([0.5, 0.7, 1.0, 1.4])  # values of k
SPREAD_SCALE_LOG_SD = 0.35  # of its logarithm
RECENT = 2.0  # power of the share of runs seen by which a forecast counts


class Drift(NamedTuple):
    """What rolling forecasts say of every member."""

    probability: Floats  # (member, output, grid) of τ
    spread_scale: Floats  # (member,) k, of the spread that the parameters give
    held_out: Floats  # (member, run, output) log score of the forecasts of a run, by what the other runs tell; or NaN
    level: Floats  # (member, cell, output) where the measured value lies in the forecast's distribution, 0 to 1; or NaN


def drift_of(errors: RollingErrors, is_loss: NDArray[np.bool_]) -> Drift:
    """Posterior of the drift, and what every run that was forecast says of the members.

    Every run counts once, from however many origins it was seen; origins that saw more of the ladder count more.

    Args:
        errors: Of rolling forecasts.
        is_loss: ``(output,)``.
    """
    known = np.isfinite(errors.error)
    runs, index = np.unique(errors.run, return_inverse=True)
    counts = known * (errors.train_share**RECENT)[None, :, None]
    total = _by_run(counts, index, len(runs))  # (member, run, output)

    def each(spread_scale: float) -> Floats:
        """``(member, run, output, grid)`` mean log density of each run's forecasts."""
        density = np.where(known[..., None], _log_density(errors, spread_scale), 0.0) * counts[..., None]
        return _by_run(density, index, len(runs)) / np.maximum(total, 1e-12)[..., None]

    tried = np.stack([each(k) for k in SPREAD_SCALES])  # (spread_scale, member, run, output, grid)
    prior = np.stack([_prior(t, is_loss) for t in tried])
    evidence = logsumexp(tried.sum(axis=2) + prior, axis=-1)  # (spread_scale, member, output)
    some = np.asarray(known.any(axis=1))
    evidence = np.where(some, evidence, 0.0).sum(axis=-1) / np.sqrt(is_loss.size)
    best = (evidence - 0.5 * (np.log(SPREAD_SCALES) / SPREAD_SCALE_LOG_SD)[:, None] ** 2).argmax(axis=0)
    members = np.arange(len(known))
    by_run, prior = tried[best, members], prior[best, members]
    posterior = _normalised(by_run.sum(axis=1) + prior)
    without = _normalised(posterior[:, None] - by_run)  # (member, run, output, grid)
    held_out = np.where(total > 0, logsumexp(without + by_run, axis=-1), np.nan)
    level = (_cumulated(errors, SPREAD_SCALES[best]) * np.exp(without)[:, index]).sum(axis=-1)
    return Drift(np.exp(posterior), SPREAD_SCALES[best], held_out, np.where(known, level, np.nan))


def _by_run(values: Floats, index: NDArray[np.intp], runs: int) -> Floats:
    """Sums of values ``(member, cell, …)`` over the cells of each run."""
    sums = np.zeros((values.shape[0], runs, *values.shape[2:]))
    for r in range(runs):
        sums[:, r] = values[:, index == r].sum(axis=1)
    return sums


def _normalised(log_density: Floats) -> Floats:
    return np.asarray(log_density - logsumexp(log_density, axis=-1, keepdims=True))


def _variance(errors: RollingErrors, spread_scale: Floats | float) -> Floats:
    """``(member, cell, output, grid)``."""
    k = np.reshape(spread_scale, (-1, 1, 1))
    own = (k * errors.spread) ** 2 + errors.between_model_sd**2 + errors.noise[:, None] ** 2
    drift = (errors.distance[:, None] * GRID) ** 2
    return np.maximum(own[..., None] + drift[None, :, None, :], 1e-16)


def _log_density(errors: RollingErrors, spread_scale: float) -> Floats:
    """``(member, cell, output, grid)``."""
    variance = _variance(errors, spread_scale)
    constant = gammaln(0.5 * (FREEDOM + 1)) - gammaln(0.5 * FREEDOM) - 0.5 * np.log(FREEDOM * np.pi)
    tail = np.log1p(errors.error[..., None] ** 2 / variance / FREEDOM)
    return np.asarray(constant - 0.5 * np.log(variance) - 0.5 * (FREEDOM + 1) * tail)


def _cumulated(errors: RollingErrors, spread_scale: Floats) -> Floats:
    """``(member, cell, output, grid)`` probability of less than what was measured."""
    error = np.nan_to_num(errors.error)[..., None]
    return np.asarray(stdtr(FREEDOM, error / np.sqrt(np.nan_to_num(_variance(errors, spread_scale), nan=1.0))))


def _prior(by_run: Floats, is_loss: NDArray[np.bool_]) -> Floats:
    """``(member, output, grid)`` log prior of an output's τ: about the τ that all outputs of its kind agree on.

    Outputs of one run err together: n of them count as √n.
    """
    log_grid = np.log(GRID)
    near = np.exp(-0.5 * ((log_grid[:, None] - log_grid[None, :]) / OUTPUT_LOG_SD) ** 2)
    near /= near.sum(axis=1, keepdims=True)
    prior = np.zeros((by_run.shape[0], *by_run.shape[2:]))
    for kind, usual in zip((is_loss, ~is_loss), TYPICAL_DRIFT, strict=True):
        if kind.any():
            pooled = by_run[:, :, kind].sum(axis=(1, 2)) / np.sqrt(kind.sum())
            pooled = np.exp(_normalised(pooled - 0.5 * ((log_grid - np.log(usual)) / METHOD_LOG_SD) ** 2))
            prior[:, kind] = np.log(np.maximum(pooled @ near, 1e-300))[:, None, :]
    return prior


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
    """How a blend's central intervals would have held what was measured.

    Args:
        drift: Of the blend, as of one member: with the level of what was measured in its distribution.
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
