"""What the parts share: one fit of a law of mixtures, its predictions of other runs, and ranks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from flpjax import Runs, bootstrap, point
from flpjax.engine.settings import Status
from flpjax.fitting.draws import Draws
from flpjax.ladder.features import Features
from flpjax.laws.mixture_loss import M3
from flpjax.laws.power_mix import PowerMix
from flpjax.methods.flpm import FLPM
from flpjax.methods.method import Method
from flpjax.results.forecast import predict

Floats = NDArray[np.float64]
OURS = FLPM(PowerMix())
PLAIN = FLPM(M3(), prior=True)  # no irreducible loss, and one power for all sources
STARTS = 1  # the priors' middle
DRAWS, DRAWN_STARTS = 40, 4


class Fitted(NamedTuple):
    """A fit, how long it took, and the domains it failed on."""

    draws: Draws
    seconds: float
    failed: tuple[str, ...]


class Predicted(NamedTuple):
    """What a method says of all held-out runs."""

    loss: Floats  # (run, domain), NaN where a fit failed
    seconds: float
    failed: tuple[str, ...] = ()  # domains
    shares: Floats | None = None  # the same with the tokens of the runs fitted on, for a law of tokens


Rival = Callable[[Runs, Runs, int], Predicted]
"""Runs to fit, runs to predict, seed."""


def fit(runs: Runs, seed: int = 0, law: Method = OURS, starts: int = STARTS) -> Fitted:
    """Fit all domains on the runs that are not held out; a failure is told, not raised."""
    begun = time.perf_counter()
    draws = point(law, runs, jax.random.key(seed), starts=starts, strict=False)
    jax.block_until_ready(draws.params)
    seconds = time.perf_counter() - begun
    ended = draws.fits["loss"]
    failed = [d for d, status in zip(ended.outputs, ended.status, strict=True) if not Status(int(status)).usable]
    return Fitted(draws, seconds, tuple(failed))


def fit_draws(runs: Runs, seed: int = 0, law: Method = OURS) -> Fitted:
    """The same with bootstrap draws: what the search for mixtures sees, and steadier than one fit."""
    begun = time.perf_counter()
    draws = bootstrap(law, runs, jax.random.key(seed), draws=DRAWS, starts=DRAWN_STARTS, strict=False)
    jax.block_until_ready(draws.params)
    ended = draws.fits["loss"]
    failed = [d for d, status in zip(ended.outputs, ended.status, strict=True) if not Status(int(status)).usable]
    return Fitted(draws, time.perf_counter() - begun, tuple(failed))


def losses(draws: Draws, compute: Features) -> Floats:
    """``(run, domain)`` expected losses at the compute of runs, the mean over draws; NaN where every fit failed."""
    # The units of a standardised law are those of its runs and part of the model: to leave them to NumPy saves a
    # compilation for each subset of runs.
    units = getattr(draws.model, "units", ())
    model: Any = replace(draws.model, units=()) if units else draws.model  # type: ignore[type-var]
    each = np.ma.masked_invalid(np.asarray(predict(model, draws.params, compute, None).loss))
    predicted = np.ma.filled(each.mean(axis=0), np.nan)
    if not units:
        return predicted
    zero, unit = np.array(units).T[:, None, :]
    return np.asarray(zero + unit * predicted)


def spearman(one: Floats, other: Floats) -> float | None:
    """Rank correlation; None where there is none: a fit that failed, or a prediction that is the same for all."""
    if not np.isfinite(one).all() or np.ptp(one) == 0.0:
        return None
    return float(spearmanr(one, other).statistic)


def true_rank(predicted: Floats, truth: Floats) -> int | None:
    """Where in truth the run stands that is predicted lowest, from 1."""
    if not np.isfinite(predicted).all() or np.ptp(predicted) == 0.0:
        return None
    return 1 + int((truth < truth[predicted.argmin()]).sum())


def by_domain(one: Floats, other: Floats) -> list[float | None]:
    """``(domain,)`` rank correlations of losses ``(run, domain)``."""
    return [spearman(p, y) for p, y in zip(one.T, other.T, strict=True)]


def whole_mean(values: Sequence[float | None]) -> float | None:
    """The mean, None if one is missing: what failed can't make an average better."""
    return None if None in values else mean_of(values)


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is there."""
    there = [v for v in values if v is not None]
    return float(np.mean(there)) if there else None


def error_of(values: Sequence[float | None]) -> float | None:
    """The standard error of that mean; None for fewer than two values."""
    there = [v for v in values if v is not None]
    return float(np.std(there, ddof=1) / np.sqrt(len(there))) if len(there) > 1 else None


def written(value: float | None, error: float | None = None, digits: int = 3) -> str | None:
    """``.976 ± .002``."""
    if value is None:
        return None
    text = f"{value:.{digits}f}".replace("0.", ".", 1)
    return text if error is None else f"{text} ± {error:.{digits}f}".replace(" 0.", " .")


def of_scales(figure: Mapping[str, Any], scales: Sequence[str]) -> list[str | None]:
    """A row of a table: mean and standard error, scale by scale."""
    return [written(figure["spearman"][s], figure["se"][s]) for s in scales]
