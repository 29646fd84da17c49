"""Links, and a sum of terms bent by one, its terms given as data: what all expressions of the grammar share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.elimination import LEAST, solve_definite
from flpjax.laws.law import REAL, UNIT, Parameter

Link = Literal["identity", "logit", "exponential"]
"""``P = η``; ``chance + (ceiling − chance)·σ(η)``; ``chance + floor + e^η`` (Gadre et al. 2024, eq. 5)."""


class Scales(NamedTuple):
    """The priors of a sum under a link, unconstrained, and what the link fits beside the sum."""

    constant: tuple[float, float]  # location and scale
    slope: float  # the ridge: change of the sum per s.d. of a loss
    name: str = ""
    free: Parameter | None = None


SCALES: dict[Link, Scales] = {
    "identity": Scales((0.5, 0.5), 0.1),
    "logit": Scales((0.0, 2.0), 1.0, "reach", Parameter(UNIT, 1.5, 1.0, "(ceiling − chance) / (1 − chance)")),
    "exponential": Scales(
        (-1.5, 1.5), 0.5, "floor", Parameter(REAL, 0.0, 0.1, "score as losses grow, above chance", affine="linear")
    ),
}


def respond(link: Link, eta: Any, free: Any, chance: Any, ceiling: Any) -> Array:
    """The score at a sum ``eta``: link⁻¹. ``free`` is the link's parameter, None if it has none to fit."""
    if link == "identity":
        return eta
    if link == "exponential":
        return chance + free + jnp.exp(eta)
    return chance + (ceiling - chance if free is None else free * (1.0 - chance)) * jax.nn.sigmoid(eta)


@dataclass(frozen=True)
class Tabulated:
    """The residual of any expression of a link, its terms given as data: few programs fit the whole grammar.

    The vector is constant, slopes ``(width,)`` and the link's free parameter, if any, unconstrained. A row is terms
    ``(width,)``, filled up with zeros, then chance, ceiling and score. A ceiling that is fitted is given as any number.

    Attributes:
        link: The link.
        free: Whether it has a parameter to fit.
        width: How many terms there are, with those filled up.
    """

    link: Link
    free: bool
    width: int

    @property
    def last(self) -> tuple[Parameter, ...]:
        """What stands last in the vector: the link's free parameter, or nothing."""
        free = SCALES[self.link].free
        return (free,) if self.free and free is not None else ()

    @property
    def prior(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Location and scale ``(p,)`` of the prior, unconstrained."""
        (loc, scale), slope = SCALES[self.link][:2]
        locs = [loc, *[0.0] * self.width, *(p.loc for p in self.last)]
        return np.array(locs), np.array([scale, *[slope] * self.width, *(p.scale for p in self.last)])

    def score(self, vector: Array, features: Array, chance: Any, ceiling: Any) -> Array:
        """The score at terms ``(width,)`` of ONE row; callers ``vmap``."""
        eta = vector[0] + jnp.dot(features, vector[1 : 1 + self.width])
        free = [p.bijector(vector[-1]) for p in self.last]
        return respond(self.link, eta, free[0] if free else None, chance, ceiling)

    def __call__(self, vector: Array, data: tuple[Array, Array, Array, Array]) -> Array:
        """``law − y`` of ONE row; callers ``vmap``."""
        *at, y = data
        return self.score(vector, *at) - y

    def guess(self, features: Array, y: Array, weight: Array, chance: Any, ceiling: Any, margin: Any = 0.5) -> Array:
        """A vector ``(p,)``: the free parameter just outside the scores seen, then a weighted ridge through the link.

        Args:
            features: ``(row, width)``.
            y: ``(row,)`` scores.
            weight: ``(row,)``.
            chance: The score of random guessing.
            ceiling: The given one; not used where it is fitted.
            margin: How far outside the scores seen the free parameter starts, 0 to 1.
        """
        low = jnp.min(jnp.where(weight > 0, y, jnp.inf))
        high = jnp.max(jnp.where(weight > 0, y, -jnp.inf))
        free = jnp.zeros_like(low)
        if self.link == "logit":
            free = jnp.clip((high + margin * (1.0 - high) - chance) / (1.0 - chance), 0.02, 0.98)
            top = chance + free * (1.0 - chance) if self.free else ceiling
            height = jnp.clip((y - chance) / jnp.maximum(top - chance, 1e-3), 0.01, 0.99)
            y = jnp.log(height / (1.0 - height))
        elif self.link == "exponential":
            free = low - margin * jnp.maximum(high - low, 0.01) - chance
            y = jnp.log(jnp.maximum(y - chance - free, 1e-3))
        rows = jnp.concatenate([jnp.ones_like(features[:, :1]), features], axis=1)
        weighed = rows * weight[:, None]
        ridge = 1e-3 * jnp.sum(weight) * jnp.eye(rows.shape[1], dtype=rows.dtype)
        total, _ = solve_definite(weighed.T @ rows + ridge, weighed.T @ y, LEAST)
        return jnp.append(total, jnp.array([p.bijector.inv(free) for p in self.last], total.dtype))
