"""What is known of ladders before one is seen: how far laws err, how runs scatter, and what each law deserves.

The numbers stand in ``hyperpriors.toml``, which ``python -m benchmarks.unseen --learn`` writes: those by which what was
measured on a panel of real ladders is most probable. Medians, and standard deviations of logarithms.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.laws.law import Space

Floats = NDArray[np.float64]
FILE = "hyperpriors.toml"
REPEATED = "-repeated"  # behind the name of a law: it is weighed like the law without
SECTIONS: Mapping[Space, str] = {"log": "losses", "linear": "scores"}
WAITS: Mapping[str, str] = {"loss": "take_off_by_loss", "compute": "take_off_by_compute"}


class Hyperprior(NamedTuple):
    """Of one kind of output.

    Attributes:
        amplitude: Values of the amplitude of a discrepancy, the first of which is none.
        amplitude_prior: Median, and s.d. of the logarithm.
        none: Probability of no discrepancy.
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


class Wait(NamedTuple):
    """When tasks at chance leave it, and how steeply.

    Every task has a hazard of its own, drawn from a gamma distribution, so that the distance it waits has Lomax's
    (frailty: Vaupel et al. 1979).

    Attributes:
        hazard: Mean over tasks of the probability of take-off per e-fold of loss or of compute.
        spread: Variance of tasks' hazards as a multiple of the mean's square.
        rise_median: Of the share of the way to a full score that an e-fold gains at first.
        rise_sd: S.d. of its logarithm.
    """

    hazard: float
    spread: float
    rise_median: float
    rise_sd: float

    def by(self, distance: Floats) -> Floats:
        """Probability of take-off by distances beyond the runs, in e-folds."""
        return np.asarray(-np.expm1(-np.log1p(self.spread * self.hazard * distance) / self.spread))

    def distance(self, level: Floats) -> Floats:
        """Distances by which a share ``level`` of tasks has taken off."""
        return np.asarray(np.expm1(-self.spread * np.log1p(-level)) / (self.spread * self.hazard))


def _spread(low: float, high: float, count: int) -> Floats:
    return np.exp(np.linspace(np.log(low), np.log(high), count))


VALUES: Mapping[Space, tuple[Floats, Floats, Floats]] = {
    "log": (np.r_[1e-6, _spread(0.002, 0.08, 4)], _spread(5e-4, 0.08, 6), np.array([0.0, 0.25])),
    "linear": (np.r_[1e-6, _spread(0.02, 0.6, 4)], _spread(0.003, 0.06, 4), np.zeros(1)),
}
"""Amplitudes, noises and growths of the grid: two s.d. about the medians that were learned, and what ladders had."""


def learned(table: Mapping[str, Any]) -> tuple[dict[Space, Hyperprior], dict[str, float]]:
    """Hyperpriors by kind of output, and log weights of laws and maps by name, of a table as the file holds it."""
    found: dict[Space, Hyperprior] = {}
    for space, section in SECTIONS.items():
        of = {name: float(entry["value"]) for name, entry in table[section].items()}
        amplitude, noise, growth = VALUES[space]
        found[space] = Hyperprior(
            amplitude,
            (of["amplitude_median"], of["amplitude_sd"]),
            of["none"],
            noise,
            (of["noise_median"], of["noise_sd"]),
            growth,
            of.get("growth_sd", 1.0),  # of scores the grid has one growth
        )
    return found, {name: float(entry["value"]) for name, entry in table["laws"].items()}


def waits(table: Mapping[str, Any]) -> dict[str, Wait]:
    """What tasks at chance do, by what they wait for, of a table as the file holds it."""
    found = {}
    for by, section in WAITS.items():
        of = {name: float(entry["value"]) for name, entry in table[section].items()}
        found[by] = Wait(of["hazard"], of["hazard_spread"], of["rise_median"], of["rise_sd"])
    return found


_TABLE = tomllib.loads(files(__package__).joinpath(FILE).read_text("utf-8"))
OF, LAW = learned(_TABLE)
"""Hyperpriors, and log weights of laws of losses and maps to scores by name; one that is not there has 0."""
TAKE_OFF = waits(_TABLE)
"""When tasks at chance leave it, by ``"loss"``, and by ``"compute"`` where no loss is measured."""


UNBOUNDED: Mapping[str, float] = {"hinge": float(np.log(0.01))}
"""Log weights of maps that no score can follow to the end: what they say must be clear before they count.

By evidence alone the straight line of the hinge deserves as much as a sigmoid, since few ladders see where scores level
off. Forecasts that believe it err more: on the panel CRPS is best with log weights of −4 or less, whichever experiment
is left out. Where scores do follow a line, as on simulated ladders, a hundred to one is soon made up for."""


def plain(name: str) -> str:
    """The name of a law, whatever it goes through: ``chinchilla`` of ``chinchilla-repeated (own loss)``."""
    return name.partition(" (")[0].removesuffix(REPEATED)


def log_weight(name: str) -> float:
    """Log weight of a law of losses, or a map to scores, before the ladder speaks."""
    law = plain(name)
    return UNBOUNDED[law] if law in UNBOUNDED else LAW.get(law, 0.0)


class Kinds(NamedTuple):
    """Kinds of noise of a grid: its points, but for their amplitudes."""

    first: NDArray[np.intp]  # (kind,) a point that is of it
    of_point: NDArray[np.intp]  # (point,) which kind


class Grid(NamedTuple):
    """All combinations of the values of a hyperprior, those that differ in the amplitude alone side by side."""

    amplitude: Floats  # (point,)
    noise: Floats  # (point,)
    growth: Floats  # (point,)
    log_prior: Floats  # (point,) of probabilities, which sum to 1

    @property
    def kinds(self) -> Kinds:
        """Kinds of noise among its points."""
        _, first, kind = np.unique(self.noise + 1j * self.growth, return_index=True, return_inverse=True)
        return Kinds(first, kind)


def grid_of(space: Space, departs: bool = True) -> Grid:
    """The grid over which a law's hyperparameters are averaged.

    Args:
        space: Of the residuals.
        departs: Whether the law has a discrepancy.
    """
    prior = OF[space]
    amplitude = prior.amplitude if departs else prior.amplitude[:1]
    values = (prior.noise, prior.growth, amplitude)
    each = (
        _normalised(_log_normal(prior.noise, *prior.noise_prior)),
        _normalised(-0.5 * (prior.growth / prior.growth_sd) ** 2),
        amplitudes(amplitude, prior),
    )
    s, g, a = (v.ravel() for v in np.meshgrid(*values, indexing="ij"))
    total = sum(v.ravel() for v in np.meshgrid(*each, indexing="ij"))
    return Grid(a, s, g, np.asarray(total))


def amplitudes(values: Floats, prior: Hyperprior) -> Floats:
    """Log probability of each amplitude, the first of which is none."""
    if len(values) == 1:
        return np.zeros(1)
    some = _normalised(_log_normal(values[1:], *prior.amplitude_prior)) + np.log1p(-prior.none)
    return np.r_[np.log(prior.none), some]


def _log_normal(values: Floats, median: float, sd: float) -> Floats:
    return np.asarray(-0.5 * (np.log(values / median) / sd) ** 2)


def _normalised(log_density: Floats) -> Floats:
    return np.asarray(log_density - np.logaddexp.reduce(log_density))
