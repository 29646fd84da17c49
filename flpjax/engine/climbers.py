"""The compiled programs that maximise a value of mixture weights, run on many lanes at a time.

A lane is one start of one problem.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.climb import RUNNING, Climber, Value, begin, climb, second_order
from flpjax.engine.kinks import ridge, shift_pairs
from flpjax.engine.polytope import Polytope, linear_max, project
from flpjax.numerics import compiled

ROUND = 6  # steps after which lanes that have ended are taken out of the batch
TILE, TILES = 8, 16  # on a CPU: lanes that are vectorised together (they fit into its cache); tiles in a large call
BLOCK = 128  # points that are projected in one call
LEAST, MOST = 1 << 8, 1 << 14  # on an accelerator: the fewest and the most lanes in a call


class Climbers:
    """Starts, advances and evaluates lanes, which are held on the host as NumPy arrays.

    Methods take ``problem`` ``(lane,)``, the index of each lane's problem.

    Args:
        value: The function to maximise.
        data: Pytree of all problems, leaves ``(problem, …)``.
        polytope: Where weights may lie.
        tolerance: The residual at which a lane ends.
        device: Where the programs run.
    """

    def __init__(self, value: Value, data: Any, polytope: Polytope, tolerance: float, device: jax.Device) -> None:
        self._value, self._tolerance = value, np.asarray(tolerance, float)
        self._tables = jax.device_put((jax.tree.map(np.asarray, data), polytope), device)
        self._on_cpu = device.platform == "cpu"

    def start(self, points: NDArray[np.float64]) -> Climber:
        """New lanes at the feasible points nearest to ``points`` ``(lane, S)``."""
        points = in_blocks(nearest_points, self._tables[1], points)
        zero = np.zeros(len(points), points.dtype)
        return Climber(points, zero - np.inf, zero + np.inf, zero + 1.0, zero, zero.copy(), zero.copy(), zero + RUNNING)

    def advance(self, problem: NDArray[np.int32], lanes: Climber, steps: int) -> None:
        """Let lanes whose status is RUNNING take up to ``steps`` steps of :func:`climb`; in place."""
        for done in range(0, steps, ROUND):
            running = np.flatnonzero(lanes.status == RUNNING)
            if not len(running):
                return
            taken, most = take(lanes, running), np.int32(min(ROUND, steps - done))
            put(lanes, running, self._call(_advance, problem[running], taken, most, self._tolerance))

    def follow(self, problem: NDArray[np.int32], lanes: Climber) -> Climber:
        """The lanes after :func:`ridge`, with status RUNNING, to be advanced again."""
        return self._call(_follow, problem, lanes, few=True)

    def shift(self, problem: NDArray[np.int32], lanes: Climber) -> tuple[Climber, NDArray[np.int32]]:
        """The lanes after :func:`shift_pairs`, with status RUNNING, and how many moves each made."""
        return self._call(_shift, problem, lanes, few=True)

    def report(
        self, problem: NDArray[np.int32], points: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Value, residual and Frank-Wolfe gap at ``(lane, S)``; not finite where the value or gradient is not."""
        return self._call(_report, problem, points)

    def _call(
        self, program: Callable[..., Any], problem: NDArray[Any], lanes: Any, *numbers: Any, few: bool = False
    ) -> Any:
        """Run ``program`` on a device-dependent number of lanes a call, and join the results.

        The last call is padded with copies of its last lane. On a CPU ``few`` makes all calls one tile, in a program
        that has room for :data:`TILES`: one program serves all numbers of lanes.
        """
        if self._on_cpu:
            padded_size, call = TILE * TILES, TILE if few or len(problem) <= TILE * TILES // 2 else TILE * TILES
        else:
            call = LEAST
            while call < min(len(problem), MOST):
                call *= 4
            padded_size = call
        data, polytope = self._tables

        def part(first: int) -> Any:
            padded = jax.tree.map(lambda leaf: _filled(leaf[first : first + call], padded_size), (problem, lanes))
            tiles = np.int32(-(-min(call, len(problem) - first) // TILE))
            out = program(self._value, self._on_cpu, data, polytope, tiles, *padded, *numbers)
            return jax.tree.map(lambda leaf: np.asarray(leaf)[: min(call, len(problem) - first)], out)

        places = range(0, len(problem), call)
        if len(places) == 1:
            return part(0)
        with ThreadPoolExecutor((os.cpu_count() or 1) if self._on_cpu else 2) as pool:
            parts = list(pool.map(part, places))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _laned(one: Callable[..., Any]) -> Callable[..., Any]:
    """Compile ``one(value, data of a problem, polytope, lane, *numbers)`` for lanes, if told so by tiles.

    Of tiles, only the first few are worked on, and what is returned for others are zeros.
    """

    @partial(jax.jit, static_argnums=0)  # traced once, though its shapes are asked for first
    def vectorised(
        value: Value, data: Any, polytope: Polytope, numbers: tuple[Array, ...], problem: Array, lanes: Any
    ) -> Any:
        def lane(index: Array, state: Any) -> Any:
            # Where there is only one problem, all lanes share its data, and nothing is gathered.
            problem_data = jax.tree.map(lambda leaf: leaf[0] if len(leaf) == 1 else leaf[index], data)
            return one(value, problem_data, polytope, state, *numbers)

        return jax.vmap(lane)(problem, lanes)

    def program(
        value: Value,
        tiled: bool,
        data: Any,
        polytope: Polytope,
        tiles: Array,
        problem: Array,
        lanes: Any,
        *numbers: Array,
    ) -> Any:
        if not tiled:
            return vectorised(value, data, polytope, numbers, problem, lanes)
        cut = jax.tree.map(lambda leaf: leaf.reshape(-1, TILE, *leaf.shape[1:]), (problem, lanes))

        def tile(i: Any) -> tuple[Any, ...]:
            return value, data, polytope, numbers, *jax.tree.map(lambda leaf: leaf[i], cut)

        def step(i: Array, found: Any) -> Any:
            return jax.tree.map(lambda whole, new: whole.at[i].set(new), found, vectorised(*tile(i)))

        shapes = jax.eval_shape(partial(vectorised, value), *tile(0)[1:])
        none = jax.tree.map(lambda leaf: jnp.zeros((len(cut[0]), *leaf.shape), leaf.dtype), shapes)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), lax.fori_loop(0, tiles, step, none))

    program.__qualname__ = one.__qualname__  # by which it is kept
    return compiled(program, static_argnums=(0, 1))


@_laned
def _advance(value: Value, data: Any, polytope: Polytope, lane: Climber, steps: Array, tolerance: Array) -> Climber:
    return climb(lambda w: value(w, data), second_order(value, data), polytope, lane, steps, tolerance)


@_laned
def _follow(value: Value, data: Any, polytope: Polytope, lane: Climber) -> Climber:
    end = ridge(lambda w: value(w, data), second_order(value, data), polytope, lane)
    return begin(end.weights)._replace(value=end.value, steps=end.steps)


@_laned
def _shift(value: Value, data: Any, polytope: Polytope, lane: Climber) -> tuple[Climber, Array]:
    end, moves = shift_pairs(lambda w: value(w, data), polytope, lane)
    return begin(end.weights)._replace(value=end.value, steps=end.steps), moves


@_laned
def _report(value: Value, data: Any, polytope: Polytope, point: Array) -> tuple[Array, Array, Array]:
    number, gradient = jax.value_and_grad(value)(point, data)
    residual = jnp.max(jnp.abs(point - project(polytope, point + gradient)))
    return number, residual, jnp.sum(gradient * (linear_max(polytope, gradient) - point))


@compiled
def nearest_points(polytope: Polytope, points: Array) -> Array:
    """The feasible points ``(point, S)`` that are nearest to points."""
    return jax.vmap(project, (None, 0))(polytope, points)


@compiled
def best_vertices(polytope: Polytope, gradients: Array) -> Array:
    """The vertices ``(point, S)`` that are best along gradients."""
    return jax.vmap(linear_max, (None, 0))(polytope, gradients)


def in_blocks(program: Callable[..., Array], polytope: Polytope, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What one of these two programs says of rows ``(row, S)``, whose number is no part of what is compiled."""
    parts = [rows[at : at + BLOCK] for at in range(0, len(rows), BLOCK)]
    return np.concatenate([np.asarray(program(polytope, _filled(part, BLOCK)))[: len(part)] for part in parts])


def _filled(leaf: NDArray[Any], size: int) -> NDArray[Any]:
    """The array, padded with copies of its last row to ``size`` rows."""
    return leaf if len(leaf) == size else np.concatenate([leaf, np.repeat(leaf[-1:], size - len(leaf), 0)])


def take(lanes: Climber, which: NDArray[np.intp]) -> Climber:
    """The lanes of indices ``which``, as copies."""
    return Climber(*(leaf[which] for leaf in lanes))


def put(lanes: Climber, which: NDArray[np.intp], replacement: Climber) -> None:
    """Overwrite the lanes of indices ``which``, in place."""
    for leaf, new in zip(lanes, replacement, strict=True):
        leaf[which] = new
