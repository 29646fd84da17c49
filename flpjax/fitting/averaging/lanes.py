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

from flpjax.laws.law import Law, Params, Space, pack, unpack
from flpjax.numerics import compiled

Floats = NDArray[np.float64]
LANES = 256  # of one call: more leave a processor's cache, fewer wait for the call
WIDE, FEW_LANES = 16, 64  # parameters, beyond which a call has fewer lanes: each keeps a processor busy for longer
POINTS = 1 << 16  # lanes times rows of one call without derivatives, which is made where there are many
ROWS = 16  # rows come in multiples, so that tables of many lengths share programs
SPLIT = 32  # rows up to which blocks of ROWS are lanes of their own, so that short tables share one program
LARGEST = 1e100  # of slopes and residuals over their noise: the sums of squares of larger ones are not finite
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
    value, slope = _derived(law, space, theta, x, output, 2)
    return value.reshape(len(output), -1), slope.reshape(len(output), -1, slope.shape[-1])


def values(law: Law, space: Space, theta: Floats, x: Any, output: NDArray[np.intp], many: bool | None = None) -> Floats:
    """The same without derivatives; ``many`` says whether it pays to compile a program for that."""
    lanes = len(output)
    if not (lanes >= MANY if many is None else many):
        found = _derived(law, space, theta, x, output, 1)
    else:
        output, x, theta = _apart(_blocks(x), output, x, theta)
        size = max(POINTS // jax.tree.leaves(x)[0].shape[1], LANES)
        found = _in_calls(lambda *a: (_valued(law, space, *a),), output, x, theta, size=size)
    return found[0].reshape(lanes, -1)


def _derived(
    law: Law, space: Space, theta: Floats, x: Any, output: NDArray[np.intp], leaves: int
) -> tuple[Floats, ...]:
    """The first leaves of values and derivatives."""
    size = FEW_LANES if theta.shape[1] > WIDE else LANES
    return _in_calls(
        lambda *a: _differentiated(law, space, *a)[:leaves], *_apart(_blocks(x), output, x, theta), size=size
    )


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


def constants_of(law: Law, params: Params) -> dict[str, NDArray[Any]]:
    """A law's symbols ``(output, …)`` at parameters ``(output, …)``."""
    outputs = len(jax.tree.leaves(params)[0])
    parts = []
    for at in range(0, outputs, LANES):
        some = {name: padded(np.asarray(v)[at : at + LANES], LANES) for name, v in params.items()}
        parts.append(jax.tree.map(np.asarray, _constants(law, some)))
    return {name: np.concatenate([part[name] for part in parts])[:outputs] for name in parts[0]}


def padded(leaf: NDArray[Any], rows: int) -> NDArray[Any]:
    """``(row, …)`` filled up by repeating the last row."""
    more = rows - len(leaf)
    return np.concatenate([leaf, np.repeat(leaf[-1:], more, axis=0)]) if more else leaf


def _blocks(x: Any) -> int:
    """Into how many lanes the rows of ``x`` are taken apart."""
    rows = int(jax.tree.leaves(x)[0].shape[1])
    return rows // ROWS if rows <= SPLIT else 1


def _apart(blocks: int, output: NDArray[np.intp], x: Any, theta: Floats) -> tuple[NDArray[np.intp], Any, Floats]:
    """Lanes of as many times fewer rows: outputs, rows and parameters."""
    if blocks == 1:
        return output, x, theta
    cut = jax.tree.map(lambda leaf: leaf.reshape(-1, leaf.shape[1] // blocks, *leaf.shape[2:]), x)
    return (output[:, None] * blocks + np.arange(blocks)).ravel(), cut, np.repeat(theta, blocks, axis=0)


def _in_calls(
    program: Callable[..., tuple[Array, ...]],
    output: NDArray[np.intp],
    x: Any,
    *lanes: NDArray[Any],
    size: int = LANES,
) -> tuple[Floats, ...]:
    """A program on lanes ``(lane, …)`` and their outputs' ``x``, so many a call; the last is filled up."""
    parts = []
    for at in range(0, len(output), size):
        some = output[at : at + size]
        own = jax.tree.map(lambda leaf, some=some: padded(leaf[some], size), x)
        results = program(own, *(padded(leaf[at : at + size], size) for leaf in lanes))
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


@partial(compiled, static_argnums=0)
def _constants(law: Law, params: Params) -> Params:
    return jax.vmap(law.constants)(params)


def countable(columns: Floats) -> NDArray[np.bool_]:
    """``(lane,)`` whether slopes and residuals ``(lane, row, column)`` are finite, and small enough to be squared."""
    return np.asarray((np.abs(columns) < LARGEST).all(axis=(1, 2)))
