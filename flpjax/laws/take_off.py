"""A score that stays at chance up to a loss, or a compute, and rises from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax.numpy as jnp
from jax import Array

from flpjax.laws.law import POSITIVE, REAL, Parameter, Params


@dataclass(frozen=True)
class TakeOff:
    """``P = level + (1 − level)·(1 − e^{−rise·max(z − onset, 0)})``, where z is ``−log L``, or ``log C``.

    Below the onset the task is at chance (emergence: Du et al. 2024). Of onset and rise a ladder at chance knows what
    other ladders' tasks did.

    Attributes:
        of_compute: Whether z is ``log C``, for ladders without losses.
    """

    of_compute: bool = False
    levels_off: ClassVar[bool] = True

    def parameters(self) -> Mapping[str, Parameter]:
        """Level, onset, rise."""
        return {
            "level": Parameter(REAL, 0.25, 0.25, "score before the onset, fraction"),
            "onset": Parameter(REAL, 0.0, 50.0, "where the score begins to rise, −log L or log C"),
            "rise": Parameter(POSITIVE, 0.0, 1.5, "share of the way to 1, per e-fold of loss or compute, at the onset"),
        }

    def inputs(self) -> tuple[str, ...]:
        """Compute, or none: it reads losses."""
        return ("flops",) if self.of_compute else ()

    def along(self, x: Any) -> Array:
        """``z`` of ONE row."""
        return x["flops"] if self.of_compute else -jnp.log(x)

    def apply(self, params: Params, x: Any) -> Array:
        """Score of ONE row."""
        beyond = jnp.maximum(self.along(x) - params["onset"], 0.0)
        return params["level"] - (1.0 - params["level"]) * jnp.expm1(-params["rise"] * beyond)

    def guess(self, x: Any, y: Array, weight: Array) -> Params:
        """All at one level, up to the last row."""
        level = jnp.sum(weight * y) / jnp.sum(weight)
        last = jnp.max(jnp.where(weight > 0, self.along(x), -jnp.inf))
        return {"level": level, "onset": last, "rise": jnp.ones_like(level)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``level``, ``onset`` as a loss in nats, or as the logarithm of FLOPs; ``rise``."""
        onset = params["onset"] if self.of_compute else jnp.exp(-params["onset"])
        return {"level": params["level"], "onset": onset, "rise": params["rise"]}

    def centred(self, x: Any) -> Self:
        """The same: an onset is told where it is."""
        return self
