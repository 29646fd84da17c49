"""What the other runs say of one: a smooth trend over N, D and mixture, and its leave-one-out predictions.

The trend is a Gaussian process: straight lines and parabolas in log N and log D, a smooth departure from them, and the
same in the mixture. Its prior is wide for a scaling law, so a prediction beyond the others is as uncertain as it should
be: a largest run that bends off belongs to its ladder, one that diverged does not. Leave-one-out predictions have a
closed form (Rasmussen and Williams 2006, eq. 5.12), so that nothing is refitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LANDMARKS, FEW_LANDMARKS = 120, 10  # runs that the smooth departure is spanned by: exact for fewer runs
WORK = 400_000  # runs × landmarks, so that tables of any length are quick
NOISES = np.geomspace(1.0, 50.0, 12)  # × the least noise
NOISE_PRIOR_RUNS = 3.0  # runs that the least noise counts for
SILENCE = 1e3  # noise of a silent run, × that of the others


@dataclass(frozen=True)
class Trend:
    """How a measured quantity may depend on N, D and mixture before anything is seen.

    Attributes:
        slope: Expected change per e-fold of N, and of D.
        slope_sd: Standard deviation of that.
        curvature_sd: Of the second-order coefficients, per e-fold squared.
        departure_sd: Of the smooth departure from the parabola.
        length_scale: E-folds of N or D over which the departure changes.
        mixture_sd: Of the change from one source alone to another.
        least_noise: The noise of a run that is always allowed for.
    """

    slope: float
    slope_sd: float
    curvature_sd: float
    departure_sd: float
    length_scale: float
    mixture_sd: float
    least_noise: float


LOSS = Trend(-0.05, 0.1, 0.015, 0.04, 2.0, 0.5, 0.012)
"""Of log losses: they fall by .03 to .1 per e-fold, Chinchilla's law bends by .016; reruns differ by .2 to 1 %."""
SCORE = Trend(0.03, 0.15, 0.05, 0.15, 1.5, 0.3, 0.03)
"""Of arcsine-root scores (0 to 1.57): a task may emerge within two e-folds."""
MIXTURE_LENGTH_SCALE = 0.4  # of the square root of a share, over which the mixture's departure changes


class Expected(NamedTuple):
    """What the others say of each run: the mean, and the standard deviation of a measurement about it."""

    mean: Floats
    sd: Floats


def basis(log_params: Floats, log_tokens: Floats, mix: Floats, trend: Trend) -> Floats:
    """``(run, feature)`` columns whose products are the prior covariance of the trend.

    Args:
        log_params: ``(run,)`` log N.
        log_tokens: ``(run,)`` log D.
        mix: ``(run, source)`` mixture weights; no sources, no dependence on them.
        trend: The prior.
    """
    n, d = (v - np.median(v) for v in (log_params, log_tokens))
    second = [trend.curvature_sd * v for v in (n**2, d**2, n * d)]
    columns = [2.0 * np.ones_like(n), trend.slope_sd * n, trend.slope_sd * d, *second]
    places = np.stack([n, d], axis=1) / trend.length_scale
    parts = [np.stack(columns, axis=1), trend.departure_sd * _smooth(places)]
    if mix.shape[1]:
        shares = np.sqrt(mix)
        parts += [
            trend.mixture_sd * (mix - mix.mean(axis=0)),
            0.5 * trend.mixture_sd * _smooth(shares / MIXTURE_LENGTH_SCALE),
        ]
    return np.hstack(parts)


def _smooth(places: Floats) -> Floats:
    """``(run, landmark)`` features of the covariance ``exp(−½ distance²)`` between ``places`` ``(run, axis)``."""
    most = int(np.clip(WORK // len(places), FEW_LANDMARKS, LANDMARKS))
    chosen = np.unique(np.linspace(0, len(places) - 1, most).round().astype(int))
    chosen = np.lexsort(places.T)[chosen] if len(places) > most else np.arange(len(places))
    landmarks = np.unique(places[chosen], axis=0)

    def covariance(a: Floats, b: Floats) -> Floats:
        square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T
        return np.asarray(np.exp(-0.5 * np.maximum(square, 0.0)))

    values, vectors = np.linalg.eigh(covariance(landmarks, landmarks))
    kept = values > 1e-9 * values.max()
    return np.asarray(covariance(places, landmarks) @ (vectors[:, kept] / np.sqrt(values[kept])))


@dataclass(frozen=True, eq=False)
class Others:
    """Leave-one-out predictions from given features; decomposed once for all columns that the same runs measured.

    Attributes:
        features: ``(run, feature)`` of :func:`basis`.
        silent: ``(run,)`` runs that are predicted and say nothing of others.
    """

    features: Floats
    silent: NDArray[np.bool_]

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats]:
        extra = np.where(self.silent, SILENCE, 1.0)
        u, s, _ = np.linalg.svd(self.features / extra[:, None], full_matrices=False)
        return extra, u, s**2

    def predict(self, y: Floats, noise: Floats) -> Expected:
        """Predict each run from all others.

        Args:
            y: ``(run,)`` what was measured, less the prior's mean.
            noise: ``(noise,)`` standard deviations of a run about the trend.

        Returns:
            ``(run, noise)`` each.
        """
        extra, u, power = self._parts
        share = power[:, None] / (power[:, None] + noise**2)
        precision = np.maximum(1.0 - (u**2) @ share, 1e-9)
        scaled = y / extra
        residual = (scaled[:, None] - u @ (share * (u.T @ scaled)[:, None])) / precision
        squared = extra[:, None] ** 2
        variance = noise**2 * (squared / precision - (squared - 1.0))
        return Expected(extra[:, None] * (scaled[:, None] - residual), np.sqrt(np.maximum(variance, noise**2)))

    def least_likely(self, y: Floats, least_noise: float) -> tuple[int, float]:
        """The run without which the trend explains the others best, and the noise of the others then.

        Leverage hides a run at the end of a ladder, which bends the trend to itself: residuals of the others grow as
        much as its own. The likelihood of the others, each run left out in turn, does not have that fault.

        Args:
            y: ``(run,)`` what was measured, less the prior's mean.
            least_noise: Standard deviation of a run that is always allowed for.
        """
        extra, u, power = self._parts
        noise = least_noise * NOISES
        scaled, audible = y / extra, ~self.silent
        along = (u.T @ scaled) ** 2
        share = power[:, None] / (power[:, None] + noise**2)
        whole = -0.5 * (
            np.log1p(power[:, None] / noise**2).sum(axis=0)
            + 2.0 * audible.sum() * np.log(noise)
            + (scaled @ scaled - along @ share) / noise**2
        )
        whole -= NOISE_PRIOR_RUNS * (np.log(noise) + 0.5 * (least_noise / noise) ** 2)
        found = self.predict(y, noise)
        own = -np.log(found.sd) - 0.5 * ((y[:, None] - found.mean) / found.sd) ** 2
        without = np.where(audible[:, None], whole - own, -np.inf)
        run, best = np.unravel_index(int(np.argmax(without)), without.shape)
        return int(run), float(noise[best])
