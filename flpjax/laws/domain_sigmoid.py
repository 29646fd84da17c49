"""Losses of several domains → score, between two asymptotes: a score that starts at chance and can't pass 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.laws.law import REAL, UNIT, Parameter, Params

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class DomainSigmoid:
    """``P(L^1 … L^D) = lower + (upper − lower)·σ(level + Σ_d slope_d·(L^d − centre_d))``.

    The sigmoid of Llama 3 (Dubey et al. 2024) along a direction of the domain losses that is fitted, as the map by an
    untrained network of one unit. ``upper`` is fitted as a share of the way from ``lower`` to 1.

    Attributes:
        centre: ``(domain,)`` losses at which ``level`` is the logit.
    """

    centre: Numbers = (2.5, 2.5)
    levels_off: ClassVar[bool] = True  # it knows a chance level itself

    def parameters(self) -> Mapping[str, Parameter]:
        """Asymptotes, logit at the centre, and slopes."""
        return {
            "lower": Parameter(UNIT, -1.0, 1.0, "score as losses grow"),
            "reach": Parameter(UNIT, 1.5, 1.0, "(upper − lower) / (1 − lower)"),
            "level": Parameter(REAL, 0.0, 2.0, "logit of the height at the centre"),
            "slopes": Parameter(REAL, -1.0, 2.0, "change of the logit per nat", (len(self.centre),)),
        }

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the domain losses ``x`` ``(domain,)`` of one checkpoint."""
        departure = x - jnp.array(self.centre, x.dtype)
        height = jax.nn.sigmoid(params["level"] + jnp.dot(params["slopes"], departure))
        return params["lower"] + params["reach"] * (1.0 - params["lower"]) * height

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """Asymptotes just outside the scores seen, half height at the centre, and all slopes alike."""
        there = weight > 0
        low, high = jnp.min(jnp.where(there, y, jnp.inf)), jnp.max(jnp.where(there, y, -jnp.inf))
        lower = jnp.clip(0.95 * low, 0.01, 0.95)
        upper = high + 0.5 * (1.0 - high)
        reach = jnp.clip((upper - lower) / (1.0 - lower), 0.05, 0.99)
        slopes = jnp.full((len(self.centre),), -4.0 / len(self.centre), y.dtype)
        return {"lower": lower, "reach": reach, "level": jnp.zeros_like(low), "slopes": slopes}

    def constants(self, params: Params) -> dict[str, Array]:
        """``lower``, ``upper``; ``w0``, the logit at losses of 0; ``w1`` …, one a domain."""
        slopes = params["slopes"]
        found = {
            "lower": params["lower"],
            "upper": params["lower"] + params["reach"] * (1.0 - params["lower"]),
            "w0": params["level"] - jnp.dot(slopes, jnp.array(self.centre)),
        }
        return found | {f"w{i + 1}": slopes[i] for i in range(len(self.centre))}

    def centred(self, x: Array) -> Self:
        """Centred on the mean losses of ``x`` ``(row, domain)``."""
        return replace(self, centre=tuple(round(float(v), 2) for v in np.mean(x, axis=0)))
