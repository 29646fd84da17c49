"""Training compute: what a run costs, and how a ladder counts it."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax.ladder.features import Features


def Compute(log_params: Any, log_tokens: Any, log_flops: Any, weights: Any = ()) -> Features:  # noqa: N802 - was a class
    """The old name of :meth:`flpjax.Features.of_logs`."""
    warnings.warn("flpjax.Compute is flpjax.Features.of_logs now", DeprecationWarning, stacklevel=2)
    return Features.of_logs(log_params, log_tokens, log_flops, weights)


def six_nd(params: ArrayLike, tokens: ArrayLike) -> NDArray[np.float64]:
    """Training FLOPs of a dense transformer, ``6·N·D``, attention left out (Kaplan et al. 2020, eq. 2.2).

    Args:
        params: Non-embedding parameters N, any shape.
        tokens: Training tokens D, the same shape.
    """
    return 6.0 * np.asarray(params, np.float64) * np.asarray(tokens, np.float64)


def transformer_params(layers: ArrayLike, width: ArrayLike, ffn: ArrayLike) -> NDArray[np.float64]:
    """Non-embedding parameters of a SwiGLU decoder: four ``width²`` matrices of attention, three ``width·ffn`` ones."""
    n_layers, d, f = (np.asarray(v, np.float64) for v in (layers, width, ffn))
    return n_layers * (4.0 * d**2 + 3.0 * d * f)


def transformer_flops(
    tokens: ArrayLike, params: ArrayLike, layers: ArrayLike, width: ArrayLike, context: ArrayLike
) -> NDArray[np.float64]:
    """Training FLOPs with attention: ``D·(6·N + 6·layers·width·context)`` (Chen et al. 2024, Table 1).

    Args:
        tokens: Training tokens D, any shape; the others broadcast with it.
        params: Non-embedding parameters N.
        layers: Number of layers.
        width: Hidden dimension.
        context: Sequence length in tokens.
    """
    d, n, n_layers, w, c = (np.asarray(v, np.float64) for v in (tokens, params, layers, width, context))
    return d * (6.0 * n + 6.0 * n_layers * w * c)


class FlopsRule(NamedTuple):
    """How the ladder at hand counts FLOPs: ``D·N·(6 + extra·(N/N0)^slope)``.

    The excess over 6 is what attention adds; it falls with width. A target given by N and D alone is counted by the
    ladder's own rule, since a forecast from FLOPs counted in another way is off from the start.
    """

    extra: float
    slope: float
    log_params: float  # log N0
    scatter: float  # largest relative misfit of the rule on the ladder

    def __call__(self, params: float, tokens: float) -> float:
        """Training FLOPs of a target with N ``params`` and D ``tokens``."""
        excess = self.extra * np.exp(self.slope * (np.log(params) - self.log_params))
        return float(params * tokens * (6.0 + excess))

    def tokens(self, params: NDArray[np.float64], flops: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Tokens D of models with N ``params``, any shape, and C ``flops``."""
        excess = self.extra * np.exp(self.slope * (np.log(params) - self.log_params))
        return np.asarray(flops / (params * (6.0 + excess)))

    def log_tokens(
        self, log_params: NDArray[np.float64], log_flops: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Log D of models with log N and log C, any shapes; of any size, since no exponential is taken."""
        if self.extra <= 0:
            return np.asarray(log_flops - log_params - np.log(6.0 + self.extra))
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            excess = np.log(self.extra) + self.slope * (log_params - self.log_params)
            return np.asarray(log_flops - log_params - np.logaddexp(np.log(6.0), excess))

    def params(self, tokens: float, flops: float) -> float:
        """N of a model with D ``tokens`` and C ``flops``: the rule, solved by halving what may be."""
        low, high = -200.0, float(np.log(flops / tokens))
        for _ in range(100):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self(float(np.exp(middle)), tokens) < flops else (low, middle)
        return float(np.exp(0.5 * (low + high)))


def flops_rule(params: NDArray[np.float64], tokens: NDArray[np.float64], flops: NDArray[np.float64]) -> FlopsRule:
    """Read the rule off a ladder's table.

    Args:
        params: ``(row,)`` non-embedding parameters.
        tokens: ``(row,)`` training tokens.
        flops: ``(row,)`` training FLOPs.
    """
    if np.isnan(params * tokens).any():  # not given: there is no rule to read off
        return FlopsRule(*(float("nan"),) * 4)
    per_nd = flops / (params * tokens)
    log_n = np.log(params)
    centre = float(log_n.mean())
    excess = per_nd - 6.0
    slope = 0.0
    if np.all(excess > 0.06) and np.ptp(log_n) > 1e-6:
        slope, level = np.polyfit(log_n - centre, np.log(excess), 1)
        extra = float(np.exp(level))
    else:
        extra = float(np.median(excess))
    misfit = (6.0 + extra * np.exp(slope * (log_n - centre))) / per_nd - 1.0
    return FlopsRule(extra, float(slope), centre, float(np.abs(misfit).max()))
