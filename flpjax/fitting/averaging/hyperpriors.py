"""What is known of ladders before one is seen: how far laws err, how runs scatter, and what each law deserves.

Medians and standard deviations of logarithms. The values were chosen on the ladders of ``benchmarks.unseen``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.laws.law import Space

Floats = NDArray[np.float64]


class Hyperprior(NamedTuple):
    """Of one kind of output.

    Attributes:
        amplitude: Values of the amplitude of a discrepancy, the first of which is none.
        amplitude_prior: Median, and s.d. of the logarithm.
        none: Log weight of no discrepancy, where the density at the median is 0.
        noise: Values of the s.d. by which the largest run scatters about its law.
        noise_prior: Median, and s.d. of the logarithm.
        growth: Values of how much the logarithm of that s.d. grows per e-fold of FLOPs towards small runs.
        growth_sd: S.d. of the growth.
    """

    amplitude: Floats
    amplitude_prior: tuple[float, float]
    none: float
    noise: Floats
    noise_prior: tuple[float, float]
    growth: Floats
    growth_sd: float


def _spread(low: float, high: float, count: int) -> Floats:
    return np.exp(np.linspace(np.log(low), np.log(high), count))


OF: dict[Space, Hyperprior] = {
    "log": Hyperprior(
        amplitude=np.r_[1e-6, _spread(4e-4, 0.025, 4)],
        amplitude_prior=(0.002, 1.5),
        none=-3.0,
        noise=_spread(8e-4, 0.1, 6),
        noise_prior=(0.004, 1.0),
        growth=np.array([0.0, 0.25]),
        growth_sd=0.2,
    ),
    "linear": Hyperprior(
        amplitude=np.r_[1e-6, _spread(0.02, 0.6, 4)],
        amplitude_prior=(0.1, 1.2),
        none=-3.0,
        noise=_spread(0.003, 0.06, 4),
        noise_prior=(0.01, 1.0),
        growth=np.zeros(1),
        growth_sd=1.0,
    ),
}
LAW = {"no_irreducible_loss": -1.0}
"""Log weight of a law that has this attribute, where another's is 0: real losses do not fall to 0."""


class Grid(NamedTuple):
    """All combinations of the values of a hyperprior."""

    amplitude: Floats  # (point,)
    noise: Floats  # (point,)
    growth: Floats  # (point,)
    log_prior: Floats  # (point,)


def grid_of(space: Space, departs: bool = True) -> Grid:
    """The grid over which a law's hyperparameters are averaged.

    Args:
        space: Of the residuals.
        departs: Whether the law has a discrepancy.
    """
    prior = OF[space]
    amplitudes = prior.amplitude if departs else prior.amplitude[:1]
    a, s, g = (v.ravel() for v in np.meshgrid(amplitudes, prior.noise, prior.growth, indexing="ij"))

    def log_normal(values: Floats, median: float, sd: float) -> Floats:
        return np.asarray(-0.5 * (np.log(values / median) / sd) ** 2)

    some = a > prior.amplitude[0]
    of_amplitude = np.where(some, log_normal(a, *prior.amplitude_prior), prior.none)
    return Grid(a, s, g, of_amplitude + log_normal(s, *prior.noise_prior) - 0.5 * (g / prior.growth_sd) ** 2)
