"""What laws of data mixtures share: weights, floors, and the worth of a token by its source."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.laws.law import Law


class MixtureForm(Law, Protocol):
    """A law whose input has mixture weights."""

    @property
    def sources(self) -> int:
        """How many sources it was centred on."""
        ...

    @property
    def singular(self) -> bool:
        """Whether a source without any compute makes the loss zero or infinite."""
        ...

    @property
    def mixtures_needed(self) -> int:
        """How many mixtures determine the parameters, at least."""
        ...


class WorthLaw(NamedTuple):
    """A law at one target: its loss is ``floor + e^log_rest · (Σ_s w_s·worth_s)^−decay`` at a mixture w."""

    floor: Array
    log_rest: Array
    decay: Array
    worth: Array  # (source,)


def log_weights(weights: Array, floor: float | None) -> Array:
    """``(source,)`` logarithms of weights, after a floor is added."""
    return jnp.log(weights if floor is None else weights + floor)


def log_worth(worth: Array, weights: Array) -> Array:
    """Logarithm of the mixture's worth, ``log Σ_s w_s·e^{κ_s}``, for contrasts ``(source − 1,)`` of κ."""
    return jnp.log(jnp.dot(weights, worths(worth)))


def worths(worth: Array) -> Array:
    """``(source,)`` what a token of each source is worth, ``e^{κ_s}``, from contrasts ``(source − 1,)`` of κ."""
    return jnp.exp(contrasts(len(worth) + 1) @ worth)


def contrasts(sources: int) -> NDArray[np.float64]:
    """``(source, source − 1)`` orthonormal directions without a mean: no source is set apart (Helmert's)."""
    table = np.zeros((sources, sources - 1))
    for k in range(1, sources):
        table[:k, k - 1], table[k, k - 1] = -1.0, k
        table[:, k - 1] /= np.sqrt(k * (k + 1))
    return table


def numbered(name: str, values: Array) -> dict[str, Array]:
    """``name_1`` … of a vector's entries."""
    return {f"{name}_{i + 1}": values[i] for i in range(len(values))}


def check_floor(floor: float | None) -> None:
    """Refuse a floor that is no share.

    Raises:
        InputError: The floor is not between 0 and 1.
    """
    if floor is not None and not 0.0 < floor < 1.0:
        raise InputError(f"the floor {floor:g} is no share", remedy="Give one between 0 and 1, say 0.01, or None")
