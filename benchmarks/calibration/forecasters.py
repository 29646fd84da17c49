"""The methods whose intervals are compared: one pair of laws by three ways to an interval, the paper's, ``auto``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jax import Array

from flpjax import Auto, Draws, auto, bootstrap, method, posterior
from flpjax.ladder.table import Runs

Forecaster = Callable[[Runs, Array, int], Draws]
PAIR, MIXED_PAIR = "chinchilla+sigmoid", "mix-chinchilla+domain-linear"
PAPERS, MIXED_PAPERS = "flp", "m4-floor+network"  # M4 as it is has no finite loss where a mixture lacks a source
FORMS = {"pair": PAIR, "pair of mixtures": MIXED_PAIR, "paper's": PAPERS, "paper's of mixtures": MIXED_PAPERS}


def pair_of(runs: Runs) -> str:
    """The single pair of laws; one that knows sources where the ladder has mixtures."""
    return MIXED_PAIR if runs.sources else PAIR


def resampled(runs: Runs, key: Array, draws: int) -> Draws:
    """Bootstrap of the pair."""
    return bootstrap(method(pair_of(runs)), runs, key, draws=draws, strict=False)


def resampled_papers(runs: Runs, key: Array, draws: int) -> Draws:
    """Bootstrap of the paper's method: FLP, or FLP-M with a floor where there are mixtures."""
    return bootstrap(method(MIXED_PAPERS if runs.sources else PAPERS), runs, key, draws=draws, strict=False)


def fast_posterior(runs: Runs, key: Array, draws: int) -> Draws:
    """Posterior of the pair by the fast path."""
    return posterior(method(pair_of(runs)), runs, key, method="laplace", draws=draws, strict=False)


def with_discrepancy(runs: Runs, key: Array, draws: int) -> Draws:
    """The pair alone, each law with a discrepancy."""
    return auto(runs, key, draws=draws, methods=Auto(methods=(pair_of(runs),)))


def blend(runs: Runs, key: Array, draws: int) -> Draws:
    """All laws that suit the ladder, each with a discrepancy."""
    return auto(runs, key, draws=draws)


FORECASTERS: Mapping[str, Forecaster] = {
    "bootstrap": resampled,
    "bootstrap flp": resampled_papers,
    "posterior": fast_posterior,
    "pair+discrepancy": with_discrepancy,
    "auto": blend,
}
QUICK = ("bootstrap", "auto")
