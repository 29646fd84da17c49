"""A law at many parameters and rows, in calls of one shape: outputs, origins and points of a grid are lanes alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.laws.law import Law, Space, pack, unpack
from flpjax.numerics import compiled

Floats = NDArray[np.float64]
LANES = 256  # of one call: more leave a processor's cache, fewer wait for the call
ROWS = 16  # rows come in multiples, so that tables of many lengths share programs
MANY = 30_000  # lanes, from which on it pays to compile a program without derivatives


def values_and_slopes(law: Law, space: Space, theta: Floats, x: Any, output: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """A law in the space of its residuals, and its derivatives.

    Args:
        law: The formula.
        space: Of the residuals.
        theta: ``(lane, p)``.
        x: Leaves ``(output, row, …)``; rows a multiple of :data:`ROWS`.
        output: ``(lane,)`` whose rows.

    Returns:
        ``(lane, row)`` and ``(lane, row, p)``.
    """
    value, slope = _in_calls(partial(_differentiated, law, space), output, x, theta)
    return value, slope


def values(law: Law, space: Space, theta: Floats, x: Any, output: NDArray[np.intp]) -> Floats:
    """The same without derivatives."""
    if len(theta) < MANY:
        return values_and_slopes(law, space, theta, x, output)[0]
    return _in_calls(lambda *a: (_valued(law, space, *a),), output, x, theta)[0]


def guesses(law: Law, x: Any, y: Floats, seen: NDArray[np.bool_]) -> Floats:
    """``(output, origin, p)`` a law's own guess from the rows seen.

    Args:
        law: The formula.
        x: Leaves ``(output, row, …)``.
        y: ``(output, row)`` losses or scores.
        seen: ``(output, origin, row)``.
    """
    outputs, origins, rows = seen.shape
    output = np.repeat(np.arange(outputs), origins)
    weight = np.asarray(seen, float).reshape(-1, rows)
    return _in_calls(lambda *a: (_guessed(law, *a),), output, x, weight, y[output])[0].reshape(outputs, origins, -1)


def padded(leaf: NDArray[Any], rows: int) -> NDArray[Any]:
    """``(row, …)`` filled up by repeating the last row."""
    more = rows - len(leaf)
    return np.concatenate([leaf, np.repeat(leaf[-1:], more, axis=0)]) if more else leaf


def _in_calls(
    program: Callable[..., tuple[Array, ...]], output: NDArray[np.intp], x: Any, *lanes: NDArray[Any]
) -> tuple[Floats, ...]:
    """A program on lanes ``(lane, …)`` and their outputs' ``x``, :data:`LANES` a call; the last is filled up."""
    parts = []
    for at in range(0, len(output), LANES):
        some = output[at : at + LANES]
        own = jax.tree.map(lambda leaf, some=some: padded(leaf[some], LANES), x)
        results = program(own, *(padded(leaf[at : at + LANES], LANES) for leaf in lanes))
        parts.append([np.asarray(leaf)[: len(some)] for leaf in results])
    return tuple(np.concatenate(kind) for kind in zip(*parts, strict=True))


def _value(law: Law, space: Space, vector: Array, row: Any) -> Array:
    found = law.apply(unpack(law, vector), row)
    return jnp.log(found) if space == "log" else found


@partial(compiled, static_argnums=(0, 1))
def _differentiated(law: Law, space: Space, x: Any, theta: Array) -> tuple[Array, Array]:
    value = partial(_value, law, space)

    def both(vector: Array, row: Any) -> tuple[Array, Array]:
        return value(vector, row), jax.jacfwd(value)(vector, row)

    return jax.vmap(jax.vmap(both, (None, 0)))(theta, x)


@partial(compiled, static_argnums=(0, 1))
def _valued(law: Law, space: Space, x: Any, theta: Array) -> Array:
    return jax.vmap(jax.vmap(partial(_value, law, space), (None, 0)))(theta, x)


@partial(compiled, static_argnums=0)
def _guessed(law: Law, x: Any, seen: Array, y: Array) -> Array:
    return jax.vmap(lambda x, y, weight: pack(law, law.guess(x, y, weight)))(x, y, seen)
