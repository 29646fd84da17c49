"""One approach to the compute-optimal allocation (Hoffmann et al. 2022 have three): its N* and D* at every budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.compute import FlopsRule
from flpjax.results.prediction import Interval

BEYOND = 10.0  # times a lone budget, a second one for exponents
MOST_LOG = 200.0  # of a number of parameters or tokens: beyond, there is none
MOST_LOST = 0.25
"""Share of the draws that may have no optimum; as of a bootstrap whose resamples took too few runs for a fit."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Approach:
    """N* and D* at every budget by one approach.

    Attributes:
        name: ``law``, ``parabolas``, ``parabolas, corrected``, ``envelope`` or ``blend``.
        log_params: ``(draw, budget)`` log N*; NaN where a draw has no optimum.
        log_tokens: ``(draw, budget)`` log D*.
        log_flops: ``(budget,)`` log C.
        slopes: ``(2, draw)`` exponents a and b of N* ∝ C^a and D* ∝ C^b.
        why: What it is, or why it differs, in one sentence.
    """

    name: str
    log_params: Floats
    log_tokens: Floats
    log_flops: Floats
    slopes: Floats
    why: str = ""

    @classmethod
    def of(cls, name: str, log_params: Floats, log_tokens: Floats, log_flops: Floats, keep: int, why: str) -> Approach:
        """An approach over the first ``keep`` of several budgets, with exponents over all of them."""
        x = log_flops - log_flops.mean()
        slopes = np.stack([(y * x).sum(axis=1) / (x**2).sum() for y in (log_params, log_tokens)])
        return cls(name, log_params[:, :keep], log_tokens[:, :keep], log_flops[:keep], slopes, why)

    def params(self, level: float) -> tuple[Interval | None, ...]:
        """N* at each budget; None where too many draws have none."""
        return tuple(_interval(column, level) for column in self.log_params.T)

    def tokens(self, level: float) -> tuple[Interval | None, ...]:
        """D* at each budget."""
        return tuple(_interval(column, level) for column in self.log_tokens.T)

    def ratio(self, level: float) -> tuple[Interval | None, ...]:
        """Tokens per parameter at each budget."""
        return tuple(_interval(column, level) for column in (self.log_tokens - self.log_params).T)

    def exponents(self, level: float) -> tuple[Interval | None, Interval | None]:
        """Exponents a and b of N* ∝ C^a and D* ∝ C^b; None where too many draws have none."""
        a, b = self.slopes
        return Interval.of(a, level, MOST_LOST), Interval.of(b, level, MOST_LOST)

    def to_dict(self, level: float, bounds: bool) -> dict[str, Any]:
        """As JSON has it."""
        of = {"params": self.params, "tokens": self.tokens, "tokens_per_param": self.ratio}
        a, b = self.exponents(level)
        return {
            **{name: [v and v.to_dict(bounds) for v in values(level)] for name, values in of.items()},
            "a": a and a.to_dict(bounds),
            "b": b and b.to_dict(bounds),
            "why": self.why,
        }


class Span(NamedTuple):
    """Budgets at which N* is computed; a lone one gets a second, which exponents need, and which is not reported.

    Attributes:
        log_flops: ``(budget,)`` log C.
        keep: How many of them, the first, are reported.
        rule: How FLOPs are counted.
    """

    log_flops: Floats
    keep: int
    rule: FlopsRule

    @classmethod
    def of(cls, budgets: Sequence[float], rule: FlopsRule) -> Span:
        """Of the budgets that are asked."""
        return cls(np.log([*budgets, BEYOND * budgets[-1]][: max(len(budgets), 2)]), len(budgets), rule)

    def approach(self, name: str, log_params: Floats, why: str) -> Approach:
        """An approach by its log N ``(draw, budget)``."""
        return Approach.of(
            name, log_params, self.rule.log_tokens(log_params, self.log_flops), self.log_flops, self.keep, why
        )


def middle(values: Floats) -> Floats:
    """Medians ``(…)`` of the draws ``(draw, …)`` that are finite; NaN where none is."""
    known = np.isfinite(values)
    some = known.any(axis=0)
    return np.asarray(
        np.where(some, np.nanmedian(np.where(known, values, np.where(some, np.nan, 0.0)), axis=0), np.nan)
    )


def _interval(log_values: Floats, level: float) -> Interval | None:
    """Quantiles are of logarithms: else the medians of N and D would not multiply to what the budget pays for."""
    found = Interval.of(log_values, level, MOST_LOST)
    if found is None or found.upper > MOST_LOG:
        return None
    median, lower, upper = np.exp([found.median, found.lower, found.upper]).tolist()
    return Interval(median, lower, upper, median * found.error)
