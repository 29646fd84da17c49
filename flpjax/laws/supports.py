"""Where a parameter may lie, and its map from the real line: NumPyro's, without the second that importing it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpyro.distributions import constraints


@dataclass(frozen=True)
class Bijector:
    """From the real line into a support, and back as ``inv``; elementwise."""

    forward: Callable[[Any], Array]
    inv: Callable[[Any], Array]

    def __call__(self, free: Any) -> Array:
        """Unconstrained values → values inside."""
        return self.forward(free)


@dataclass(frozen=True)
class Support:
    """A part of the real line: all of it, positive numbers, or those between 0 and 1."""

    name: Literal["real", "positive", "unit_interval"]

    def __call__(self, value: Any) -> Any:
        """Whether values lie inside."""
        if self.name == "real":
            return value == value  # not NaN
        return value > 0 if self.name == "positive" else (value >= 0) & (value <= 1)

    @property
    def bijector(self) -> Bijector:
        """NumPyro's ``biject_to`` of it, number for number."""
        return _BIJECTORS[self.name]

    @property
    def constraint(self) -> constraints.Constraint:
        """As NumPyro has it."""
        from numpyro.distributions import constraints

        found: constraints.Constraint = getattr(constraints, self.name)
        return found

    def inside(self, free: NDArray[np.floating]) -> NDArray[np.floating]:
        """Unconstrained values → values inside, of any shape, on the host."""
        if self.name == "real":
            return free
        with np.errstate(over="ignore"):
            if self.name == "positive":
                return np.exp(free)
            kind = np.finfo(free.dtype)
            small = np.exp(-np.abs(free))  # never overflows
            share = np.where(free >= 0, 1.0, small) / (1.0 + small)
            return np.clip(share, kind.tiny, 1.0 - kind.eps)

    def outside(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """The way back: values inside → unconstrained ones, on the host."""
        if self.name == "real":
            return values
        with np.errstate(divide="ignore"):
            return np.log(values) if self.name == "positive" else np.log(values) - np.log1p(-values)


def _share(free: Any) -> Array:
    kind = jnp.finfo(jnp.result_type(free))
    return jnp.clip(jax.nn.sigmoid(free), kind.tiny, 1.0 - kind.eps)


def _logit(share: Any) -> Array:
    return jnp.log(share / (1.0 - share))


_BIJECTORS = {
    "real": Bijector(lambda free: free, lambda value: value),
    "positive": Bijector(jnp.exp, jnp.log),
    "unit_interval": Bijector(_share, _logit),
}
REAL, POSITIVE, UNIT = Support("real"), Support("positive"), Support("unit_interval")
