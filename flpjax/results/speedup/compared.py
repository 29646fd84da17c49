"""Draws of two recipes, asked for factors: by a loss, by a score against compute, by a score through the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from flpjax.fitting.comparison.factor import log_compute_at, log_factors, values_at, within_reach
from flpjax.ladder.table import Floats
from flpjax.laws.compared import PARAMETER_INDEX, ComparedLaw, ComparedLosses, ComparedScores, ComparisonConstants

MAP = ComparisonConstants(1.0, 0.0)
TINY = 1e-9  # nats: no loss is lower


class Compared(Protocol):
    """What factors are asked of."""

    def log_factors(self, log_flops: Floats) -> Floats:
        """``(draw, scale)`` at log C of B ``(scale,)``."""
        ...

    def values(self, log_flops: Floats) -> Floats:
        """``(draw, scale)`` losses or scores of B."""
        ...

    def at_value(self, value: float) -> tuple[Floats, Floats]:
        """Log C of B ``(draw,)`` at which it has a loss or score, and the log factor ``(draw,)`` there.

        NaN where neither recipe ever has it.
        """
        ...


@dataclass(frozen=True, eq=False)
class AlongCompute:
    """By a loss or score against compute.

    Attributes:
        law: Of the draws.
        params: ``(draw, p)``.
        constants: Numbers of the comparison that are not fitted.
        centre: Log C of the centre.
    """

    law: ComparedLaw
    params: Floats
    constants: ComparisonConstants
    centre: float

    def log_factors(self, log_flops: Floats) -> Floats:
        """As :class:`Compared` says."""
        return log_factors(self.law, self.params, self.constants, log_flops - self.centre)

    def values(self, log_flops: Floats) -> Floats:
        """As :class:`Compared` says."""
        at = np.broadcast_to(log_flops - self.centre, (len(self.params), len(log_flops)))
        found = values_at(self.law, self.params, self.constants, at)[1]
        return np.exp(found) if isinstance(self.law, ComparedLosses) else found

    def at_value(self, value: float) -> tuple[Floats, Floats]:
        """As :class:`Compared` says."""
        asked = np.log(value) if isinstance(self.law, ComparedLosses) else value
        first, second = (self.reached(recipe, np.full((len(self.params), 1), asked))[:, 0] for recipe in (0, 1))
        return second + self.centre, _difference(first, second)

    def reached(self, recipe: int, values: Floats) -> Floats:
        """``(draw, value)`` log C about the centre at which a recipe has log losses, or scores, ``(draw, value)``."""
        return log_compute_at(self.law, self.params, self.constants, recipe, values)


@dataclass(frozen=True, eq=False)
class ThroughLoss:
    """By a score, which the loss tells, by one map for both recipes or as each one's own map has it.

    Attributes:
        loss: Both recipes' losses.
        params: ``(draw, p)`` of the map, draws of which are independent of those of the losses.
        chance: Score of guessing.
        middle: The loss that the map is centred on.
    """

    loss: AlongCompute
    params: Floats
    chance: float
    middle: float

    @property
    def constants(self) -> ComparisonConstants:
        """Of the map."""
        return MAP._replace(chance=self.chance)

    def log_factors(self, log_flops: Floats) -> Floats:
        """As :class:`Compared` says."""
        below = self.middle - self.loss.values(log_flops)
        faster = np.exp(self.params[:, PARAMETER_INDEX["exponents"]])[:, None]
        like = (
            self.middle - self.params[:, PARAMETER_INDEX["log_factor"]][:, None] - faster * below
        )  # the loss of A's score
        return within_reach(self._reached(0, like) + self.loss.centre - log_flops)

    def values(self, log_flops: Floats) -> Floats:
        """As :class:`Compared` says."""
        below = self.middle - self.loss.values(log_flops)
        return values_at(ComparedScores(), self.params, self.constants, below)[1]

    def at_value(self, value: float) -> tuple[Floats, Floats]:
        """As :class:`Compared` says."""
        asked = np.full((len(self.params), 1), value)
        first, second = (
            self._reached(r, self.middle - log_compute_at(ComparedScores(), self.params, self.constants, r, asked))[
                :, 0
            ]
            for r in (0, 1)
        )
        return second + self.loss.centre, _difference(first, second)

    def _reached(self, recipe: int, losses: Floats) -> Floats:
        return self.loss.reached(recipe, np.log(np.maximum(losses, TINY)))


def _difference(first: Floats, second: Floats) -> Floats:
    """Log factors of log computes; NaN where neither recipe ever gets there."""
    never = np.isinf(first) & np.isinf(second)
    return within_reach(np.where(never, np.nan, first - np.where(never, 0.0, second)))
