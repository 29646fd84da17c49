"""Model error: how far forecasts drift from what comes, with distance, learned from a ladder's own past.

A cell of the track record departs from its forecast by ``error ~ t_4(0, √(spread² + noise² + (τ·distance)²))``: the
uncertainty of the parameters, the noise of one run, and a drift that grows with extrapolation. τ is what no posterior of
the law's parameters knows. It gets a posterior of its own on a grid, with what all outputs of a method say as its prior.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from flpjax.fitting.track import Track

FREEDOM = 4.0  # of Student's t
GRID = np.exp(np.linspace(np.log(1e-4), np.log(0.5), 48))  # values of τ, per e-fold of FLOPs
USUAL = (0.004, 0.01)  # τ of a log loss and of a score, before a ladder says anything
UNSURE, ALIKE = 1.0, 1.0  # s.d. of log τ: of a method's own about what is usual, of an output's about its method's
STRETCH = np.array([0.5, 0.7, 1.0, 1.4])
STRETCH_SD = 0.35  # of its logarithm
RECENT = 2.0  # power of the share of runs seen by which a forecast counts
SHARP = 0.2  # facts that a forecast run counts for: their errors are much alike
OWN = 0.8  # how much an output's own record counts in its weights, against that of all outputs


class Drift(NamedTuple):
    """What the track record says of every member."""

    probability: NDArray[np.float64]  # (member, output, grid) of τ
    stretch: NDArray[np.float64]  # (member,) of the spread that the parameters give
    weight: NDArray[np.float64]  # (member, output) summing to 1 over members; NaN where no member forecasts
    score: NDArray[np.float64]  # (member, output) mean held-out log score of a forecast run


def drift_of(track: Track, is_loss: NDArray[np.bool_], available: NDArray[np.bool_]) -> Drift:
    """Posterior of the drift, and weights of the members by what they would have forecast.

    Every forecast run counts once, from however many origins it was seen. A run's log score is by the drift that the
    others tell (leave one run out).

    Args:
        track: The record.
        is_loss: ``(output,)``.
        available: ``(member, output)`` whether the fit to all runs forecasts it.
    """
    known = np.isfinite(track.error)
    runs, index = np.unique(track.run, return_inverse=True)
    counts = known * (track.seen**RECENT)[None, :, None]
    total = np.stack([counts[:, index == r].sum(axis=1) for r in range(len(runs))], axis=1)  # (member, run, output)

    def by_run(stretch: float) -> NDArray[np.float64]:
        """``(member, run, output, grid)`` mean log density of each run's forecasts."""
        density = np.where(known[..., None], _log_density(track, stretch), 0.0) * counts[..., None]
        sums = np.stack([density[:, index == r].sum(axis=1) for r in range(len(runs))], axis=1)
        return sums / np.maximum(total, 1e-12)[..., None]

    each = np.stack([by_run(k) for k in STRETCH])  # (stretch, member, run, output, grid)
    prior = np.stack([_prior(e, is_loss) for e in each])
    evidence = logsumexp(each.sum(axis=2) + prior, axis=-1)  # (stretch, member, output)
    evidence = np.where(known.any(axis=1)[None], evidence, 0.0).sum(axis=-1) / np.sqrt(is_loss.size)
    evidence = evidence - 0.5 * (np.log(STRETCH) / STRETCH_SD)[:, None] ** 2
    best = evidence.argmax(axis=0)
    members = np.arange(known.shape[0])
    chosen, prior = each[best, members], prior[best, members]
    posterior = chosen.sum(axis=1) + prior
    probability = np.exp(posterior - logsumexp(posterior, axis=-1, keepdims=True))
    without = posterior[:, None] - chosen  # (member, run, output, grid)
    without = without - logsumexp(without, axis=-1, keepdims=True)
    held_out = logsumexp(without + chosen, axis=-1)  # (member, run, output)
    held_out = np.where(total > 0, held_out, np.nan)
    return Drift(probability, STRETCH[best], *_weights(held_out, is_loss, available))


def _log_density(track: Track, stretch: float) -> NDArray[np.float64]:
    """``(member, cell, output, grid)``."""
    drift = track.distance[:, None] * GRID[None, :]
    own = (stretch * track.spread) ** 2 + track.noise[:, None] ** 2
    variance = np.maximum(own[..., None] + (drift**2)[None, :, None, :], 1e-16)
    z = track.error[..., None] ** 2 / variance
    scale = gammaln(0.5 * (FREEDOM + 1)) - gammaln(0.5 * FREEDOM) - 0.5 * np.log(FREEDOM * np.pi)
    return np.asarray(scale - 0.5 * np.log(variance) - 0.5 * (FREEDOM + 1) * np.log1p(z / FREEDOM))


def _prior(by_run: NDArray[np.float64], is_loss: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(member, output, grid)`` log prior of an output's τ: about the τ that all outputs of its kind agree on.

    Outputs of one run err together: n of them count as √n.
    """
    log_grid = np.log(GRID)
    prior = np.zeros((by_run.shape[0], *by_run.shape[2:]))
    for kind, usual in zip((is_loss, ~is_loss), USUAL, strict=True):
        if not kind.any():
            continue
        pooled = by_run[:, :, kind].sum(axis=(1, 2)) / np.sqrt(kind.sum())
        pooled = pooled - 0.5 * ((log_grid - np.log(usual)) / UNSURE) ** 2
        pooled = np.exp(pooled - logsumexp(pooled, axis=-1, keepdims=True))  # (member, grid)
        near = np.exp(-0.5 * ((log_grid[:, None] - log_grid[None, :]) / ALIKE) ** 2)
        near /= near.sum(axis=1, keepdims=True)
        prior[:, kind] = np.log(np.maximum(pooled @ near, 1e-300))[:, None, :]
    return prior


def _weights(
    held_out: NDArray[np.float64], is_loss: NDArray[np.bool_], available: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and mean scores ``(member, output)`` from held-out log scores ``(member, run, output)``.

    Where a member could not forecast a run that others could, it gets the lowest of their scores.
    """
    usable = np.where(available[:, None], held_out, np.nan)
    worst = np.where(np.isfinite(usable), usable, np.inf).min(axis=0, initial=np.inf)
    filled = np.where(np.isfinite(usable), usable, worst[None])
    told = np.isfinite(worst)  # (run, output)
    runs = np.maximum(told.sum(axis=0), 1)
    mean = np.where(told[None], filled, 0.0).sum(axis=1) / runs  # (member, output)
    pooled = np.zeros_like(mean)
    for kind in (is_loss, ~is_loss):
        if kind.any():
            have = available[:, kind]
            pooled[:, kind] = (
                np.where(have, mean[:, kind] - mean[:, kind].max(axis=0), 0.0).sum(axis=1)
                / np.maximum(have.sum(axis=1), 1)
            )[:, None]
    log_weight = SHARP * runs * (OWN * mean + (1.0 - OWN) * pooled)
    log_weight = np.where(available, log_weight, -np.inf)
    top = log_weight.max(axis=0)
    weight = np.exp(log_weight - np.where(np.isfinite(top), top, 0.0))
    total = weight.sum(axis=0)
    return np.divide(weight, total, out=np.full_like(weight, np.nan), where=total > 0), mean
