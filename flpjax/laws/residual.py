"""From a law to the residuals that a solver takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from flpjax.laws.law import Law, Space, affine, unpack

TYPICAL_NOISE: dict[Space, float] = {"log": 0.002, "linear": 0.01}
"""What reruns of one configuration differ by: 0.2 % of a loss, 1 point of a score (Bhagia et al. 2024, table 2)."""


@dataclass(frozen=True)
class Residual:
    """``law(x) − y`` of every row, of the values or of their logarithms; static configuration, hashable by value.

    Attributes:
        law: The formula.
        space: ``"log"`` for relative errors (losses), ``"linear"`` for absolute ones (scores).
        huber: Corner of the Huber loss on these residuals; None for squared loss.
        prior_sd: The residual s.d. that the law's prior is weighed against; the fit is then the most probable one.
            Keeps what few runs leave open near sensible values. None for no prior.
    """

    law: Law
    space: Space = "log"
    huber: float | None = None
    prior_sd: float | None = None

    @property
    def linear(self) -> tuple[int, ...]:
        """The places in the vector of the parameters in which residuals are affine, given the others."""
        return affine(self.law, self.space)

    def __call__(self, vector: Array, data: tuple[Any, Array]) -> Array:
        """Residual of ONE row ``data = (x, y)`` for unconstrained parameters ``(p,)``; callers ``vmap``."""
        x, y = data
        predicted = self.law.apply(unpack(self.law, vector), x)
        if self.space == "log":
            return jnp.log(predicted) - jnp.log(y)
        return predicted - y
