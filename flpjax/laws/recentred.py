"""One law for many ladders: where each ladder is centred is a number of the data instead of the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.centres import replaced
from flpjax.laws.law import Law, Parameter, Params, size, unpack

Path = tuple[str | int, ...]
"""Names of fields and places in tuples, from a law to one of its numbers."""


@dataclass(frozen=True)
class Recentred:
    """A law some of whose static numbers come with each row: ``x`` is ``(the law's own x, numbers (k,))``.

    A law is compiled with its centre. Ladders whose centres differ would need a program each; with this they share one.

    Attributes:
        law: The law, with 0 in place of those numbers.
        paths: ``(k,)`` where they belong.
    """

    law: Law
    paths: tuple[Path, ...]

    def __getattr__(self, name: str) -> Any:
        """What else the law says of itself."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.law, name)

    def parameters(self) -> Mapping[str, Parameter]:
        """The law's."""
        return self.law.parameters()

    def inputs(self) -> tuple[str, ...]:
        """The law's."""
        return self.law.inputs()

    def apply(self, params: Params, x: tuple[Any, Array]) -> Array:
        """The formula for ONE row."""
        return self.at(x[1]).apply(params, x[0])

    def guess(self, x: tuple[Any, Array], y: Array, weight: Array) -> Params:
        """The law's own; all rows of an output have the same numbers."""
        return self.at(x[1][0]).guess(x[0], y, weight)

    def constants(self, params: Params) -> dict[str, Array]:
        """None: the paper's symbols depend on the numbers; ask :meth:`at`."""
        return {}

    def centred(self, x: Any) -> Self:
        """Itself: its numbers come with the rows."""
        return self

    def at(self, numbers: Array) -> Law:
        """The law with these numbers ``(k,)``."""
        law = self.law
        for path, number in zip(self.paths, numbers, strict=True):
            law = _replaced(law, path, number)
        return law


def recentred(laws: Sequence[Law], x: Any) -> tuple[Law, NDArray[np.float64]] | None:
    """One law in place of several that differ in numbers only, and the numbers of each, ``(law, k)``.

    Args:
        laws: Of the same kind.
        x: One row of the input of the first.

    Returns:
        The law itself, with no numbers, where all are equal; None where they can't be one program: their parameters
        differ, or the formula needs its numbers when it is compiled.
    """
    first = laws[0]
    if all(law == first for law in laws):
        return first, np.zeros((len(laws), 0))
    leaves = [_leaves(law) for law in laws]
    if any(
        own.keys() != leaves[0].keys() or law.parameters() != first.parameters()
        for own, law in zip(leaves, laws, strict=True)
    ):
        return None
    paths = tuple(path for path, value in leaves[0].items() if any(own[path] != value for own in leaves))
    if not all(isinstance(own[path], float) for own in leaves for path in paths):
        return None
    law = first
    for path in paths:
        law = _replaced(law, path, 0.0)
    found = Recentred(law, paths)
    numbers = np.array([[own[path] for path in paths] for own in leaves])
    try:
        jax.eval_shape(lambda v, n: found.apply(unpack(law, v), (x, n)), jnp.zeros(size(law)), numbers[0])
    except (jax.errors.JAXTypeError, TypeError, ValueError):
        return None
    return found, numbers


def _leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Everything static in a law, by where it stands."""
    if is_dataclass(value) and not isinstance(value, type):
        parts: list[tuple[str | int, Any]] = [(f.name, getattr(value, f.name)) for f in fields(value)]
    elif isinstance(value, tuple):
        parts = list(enumerate(value))
    else:
        return {path: value}
    found: dict[Path, Any] = {(*path, "kind"): type(value)}
    for name, part in parts:
        found |= _leaves(part, (*path, name))
    return found


def _replaced(value: Any, path: Path, number: Any) -> Any:
    """The same with one number replaced, which may be traced: nothing is checked or computed anew."""
    if not path:
        return number
    step, *rest = path
    if isinstance(step, int):
        parts = [_replaced(part, tuple(rest), number) if i == step else part for i, part in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    parts_of = {field.name: getattr(value, field.name) for field in fields(value)}
    return replaced(value, parts_of | {step: _replaced(parts_of[step], tuple(rest), number)})
