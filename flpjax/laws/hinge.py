"""Loss → score of one task that stays at chance until it emerges, and goes up in a straight line from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.laws.law import POSITIVE, REAL, Parameter, Params, centre_of, weighted_line


@dataclass(frozen=True)
class Hinge:
    """``P(L) = floor + slope·width·log(1 + e^{(threshold − L)/width})``.

    Far below the threshold this is eq. 2 of Chen et al. 2024, a straight line; far above, the level at which they leave
    checkpoints out as not emerged. The bend between both has a width, as questions emerge one after another.

    Attributes:
        centre: The loss from which ``threshold`` is counted.
    """

    centre: float = 2.5
    levels_off: ClassVar[bool] = True  # it knows a chance level itself

    def parameters(self) -> Mapping[str, Parameter]:
        """Score of a useless model, slope after emergence, and where and how sharply that begins."""
        return {
            "floor": Parameter(REAL, 0.25, 0.25, "score as the loss grows, fraction", affine="linear"),
            "slope": Parameter(POSITIVE, -0.7, 0.7, "gain of the score per nat, below the threshold"),
            "threshold": Parameter(REAL, 0.0, 0.7, "loss at which the task emerges, from the centre, nats"),
            "width": Parameter(POSITIVE, -2.3, 0.7, "of the bend, nats"),
        }

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the loss ``x`` of one checkpoint."""
        width = params["width"]
        below = width * jax.nn.softplus((params["threshold"] - (x - self.centre)) / width)
        return params["floor"] + params["slope"] * below

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """A floor just under the scores seen; then a straight line through those in the upper half of their range."""
        there = weight > 0
        low, high = jnp.min(jnp.where(there, y, jnp.inf)), jnp.max(jnp.where(there, y, -jnp.inf))
        upper = jnp.where(y >= 0.5 * (low + high), weight, 1e-3 * weight)
        level, slope = weighted_line(x - self.centre, y, upper)
        steep = jnp.clip(-slope, 0.05, 5.0)
        threshold = jnp.clip((level - low) / steep, -3.0, 3.0)
        return {"floor": low, "slope": steep, "threshold": threshold, "width": jnp.full_like(steep, 0.1)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``floor``, ``w1`` per nat, ``threshold`` and ``width`` in nats."""
        return {
            "floor": params["floor"],
            "w1": -params["slope"],
            "threshold": params["threshold"] + self.centre,
            "width": params["width"],
        }

    def centred(self, x: Array) -> Self:
        """Centred on the mean loss."""
        return replace(self, centre=centre_of(x, 0.5))
