"""The methods whose intervals are compared: one pair of laws by four ways to an interval, the paper's, ``auto``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax import Auto, Draws, auto, bootstrap, method, posterior
from flpjax.fitting.blending.member import Origins, fit_member
from flpjax.fitting.blending.rolling import Outputs, rolling_forecast_errors
from flpjax.fitting.draws import LadderSummary
from flpjax.fitting.student_t import even_levels
from flpjax.ladder.table import Runs
from flpjax.methods.method import Prediction
from flpjax.numerics import generator

Forecaster = Callable[[Runs, Array, int], Draws]
PAIR, MIXED_PAIR = "chinchilla+sigmoid", "mix-chinchilla+domain-linear"
PAPERS, MIXED_PAPERS = "flp", "m4-floor+network"  # M4 as it is has no finite loss where a mixture lacks a source
FORMS = {"pair": PAIR, "pair of mixtures": MIXED_PAIR, "paper's": PAPERS, "paper's of mixtures": MIXED_PAPERS}
DELTA_SALT = 11


def pair_of(runs: Runs) -> str:
    """The single pair of laws; one that knows sources where the ladder has mixtures."""
    return MIXED_PAIR if runs.sources else PAIR


def delta(runs: Runs, key: Array, draws: int) -> Draws:
    """Laplace draws around one fit to all runs, and the scatter of runs about it: what a delta method knows."""
    training, name = runs.training(), pair_of(runs)
    none = np.zeros((1, len(training.names)))
    origins = Origins(none == 0, none > 0, none, none == 0)
    member = fit_member(name, method(name), training, origins, key, {})
    outputs = Outputs.of([member], training)
    noise = rolling_forecast_errors([member], outputs, training, origins).noise[0]
    place = outputs.places(member)
    own = np.empty(len(place))
    own[place] = noise
    split = len(member.model.domains)
    rng = generator(key, DELTA_SALT)
    params = member.draw(np.zeros(1, np.intp), even_levels(draws, rng), rng)
    measured = np.broadcast_to(own, (draws, len(own)))
    scatter = Prediction(jnp.asarray(measured[:, :split]), jnp.asarray(measured[:, split:]))
    ladder = LadderSummary.of(training, member.bound.stages)
    return Draws(member.model, params, "posterior", member.fits, ladder, member.bound.warnings, scatter)


def resampled(runs: Runs, key: Array, draws: int) -> Draws:
    """Bootstrap of the pair."""
    return bootstrap(method(pair_of(runs)), runs, key, draws=draws, strict=False)


def resampled_papers(runs: Runs, key: Array, draws: int) -> Draws:
    """Bootstrap of the paper's method: FLP, or FLP-M with a floor where there are mixtures."""
    return bootstrap(method(MIXED_PAPERS if runs.sources else PAPERS), runs, key, draws=draws, strict=False)


def fast_posterior(runs: Runs, key: Array, draws: int) -> Draws:
    """Posterior of the pair by the fast path."""
    return posterior(method(pair_of(runs)), runs, key, method="laplace", draws=draws, strict=False)


def with_drift(runs: Runs, key: Array, draws: int) -> Draws:
    """The pair alone, with the drift that its past shows."""
    return auto(runs, key, draws=draws, methods=Auto(methods=(pair_of(runs),)))


def blend(runs: Runs, key: Array, draws: int) -> Draws:
    """All methods that suit the ladder, with drift."""
    return auto(runs, key, draws=draws)


FORECASTERS: Mapping[str, Forecaster] = {
    "delta": delta,
    "bootstrap": resampled,
    "bootstrap flp": resampled_papers,
    "posterior": fast_posterior,
    "posterior+drift": with_drift,
    "auto": blend,
}
QUICK = ("bootstrap", "auto")
