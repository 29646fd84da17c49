"""Laws that are programs of the caller: by what they are known again when draws are loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, Self

import jax.numpy as jnp
from jax import Array

from flpjax.laws.law import Parameter, Params


class OwnLaw(Protocol):
    """A law part of which is no data: it is saved by name, and given again to :func:`flpjax.load`."""

    @property
    def saved_name(self) -> str:
        """``module:name`` of the function or class."""
        ...

    def saved_fields(self) -> dict[str, Any]:
        """What of it is data."""
        ...

    def restored(self, fields: Mapping[str, Any]) -> Self | None:
        """The same with saved data; None if it is another law by that name."""
        ...


def is_own_law(value: object) -> bool:
    """Whether a value is such a law."""
    return hasattr(value, "saved_name")


def probed(table: Iterable[tuple[str, Parameter]], value: Callable[[Params], Array]) -> float:
    """What a law says at parameters near the medians of its priors, each of which is off by another step.

    A function that was changed since draws were saved tells itself by it.

    Args:
        table: Names and priors.
        value: Parameters → one number.
    """
    params = {}
    for i, (name, p) in enumerate(table):
        steps = jnp.arange(float(_size(p.shape))).reshape(p.shape)
        params[name] = p.bijector(p.loc + p.scale * (0.1 * (1.0 + i) + 0.01 * steps))
    return float(value(params))


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
