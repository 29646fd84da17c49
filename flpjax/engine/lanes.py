"""The two programs that lanes run: a round of steps, and the choice of promising starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec
from numpy.typing import NDArray

from flpjax.engine.gauss_newton import Numbers, Problem, Task, begin, descend, unpack
from flpjax.engine.moments import Anchor
from flpjax.numerics import compiled

ROUND = 8  # steps between two looks at which lanes have ended
LOOK = 4  # steps before a look at which are promising
AXIS = "lane"
GROUP = 256  # starts that compete for going on; a multiple of a CPU's tile
STAY = GROUP // 64  # of them go on

REORDER = {"xla_cpu_enable_fast_math": True} | {
    f"xla_cpu_fast_math_honor_{what}": True for what in ("nans", "infs", "division", "functions")
}
"""Sums over rows may be taken in any order, which lets a CPU add several at a time. NaN, infinities,
division and functions are as ever."""


class Tables(NamedTuple):
    """All numbers that lanes refer to: one copy on each device, whatever the number of lanes."""

    data: Any  # leaves (problem, row, …)
    weight: Numbers  # (problem, row)
    resample: Numbers  # (draw, row)
    anchor: Anchor | None  # leaves (draw, p)
    typical: Numbers  # (problem, p)


class Lanes(NamedTuple):
    """Lanes of a batch: which fit they belong to, and where they stand."""

    draw: Numbers  # (lane,)
    problem: Numbers  # (lane,)
    rows: Numbers  # (lane, width) where they stand, packed


class Groups(NamedTuple):
    """Starts of fits, :data:`GROUP` at a time."""

    draw: Numbers  # (group,)
    problem: Numbers  # (group,)
    first: Numbers  # (group,) the first start of each
    stride: Numbers  # (group,) from one start to the next


@partial(compiled, static_argnums=(0, 1, 2), options=REORDER)
def advance(task: Task, mesh: Mesh | None, tile: int | None, tables: Tables, lanes: Lanes, fresh: Array) -> Array:
    """Rows ``(lane, width)`` after one round of lanes, tile by tile on each device of the mesh."""
    return _sharded(partial(_round, task, tile, ROUND), mesh)(tables, lanes, fresh)


@partial(compiled, static_argnums=(0, 1, 2), options=REORDER)
def scout(task: Task, mesh: Mesh | None, tile: int | None, tables: Tables, groups: Groups, starts: Array) -> Array:
    """Two short rounds of groups of starts; the lowest eighth stays each time. Rows ``(group · stay, width)``."""

    def own(tables: Tables, groups: Groups, starts: Array) -> Array:
        size = starts.shape[2]
        index = groups.first[:, None] + np.arange(GROUP)[None, :] * groups.stride[:, None]
        rows = begin(starts[groups.problem[:, None], jnp.minimum(index, starts.shape[1] - 1)].reshape(-1, size))
        in_group = GROUP
        for fresh in (True, False):
            draw, problem = (jnp.repeat(leaf, in_group) for leaf in (groups.draw, groups.problem))
            rows = _round(task, tile, LOOK, tables, Lanes(draw, problem, rows), jnp.asarray(fresh))
            stay = in_group // 8
            value = unpack(rows, size).value
            value = jnp.where(jnp.isfinite(value), value, jnp.inf).reshape(-1, in_group)
            lowest = lax.top_k(-value, stay)[1]
            rows = rows[(lowest + in_group * jnp.arange(len(lowest))[:, None]).ravel()]
            in_group = stay
        return rows

    return _sharded(own, mesh)(tables, groups, starts)


def group_count(per_fit: int) -> int:
    """Groups that the starts of a fit make; the i-th takes every such start from the i-th on, so all are alike."""
    return -(-per_fit // GROUP)


def padded_starts(starts: NDArray[np.floating]) -> NDArray[np.floating]:
    """Starts ``(problem, start, p)``, and behind them some that fail, up to one of few numbers."""
    size = GROUP
    while size <= starts.shape[1]:
        size *= 4
    return np.pad(starts, [(0, 0), (0, size - starts.shape[1]), (0, 0)], constant_values=np.nan)


def _round(task: Task, tile: int | None, steps: int, tables: Tables, lanes: Lanes, fresh: Array) -> Array:
    """On one device."""

    def one(lanes: Lanes) -> Array:
        data, weight, typical = jax.tree.map(
            lambda leaf: _own(leaf, lanes.problem), (tables.data, tables.weight, tables.typical)
        )
        resample, anchor = jax.tree.map(lambda leaf: leaf[lanes.draw], (tables.resample, tables.anchor))
        return descend(task, Problem(data, weight * resample, anchor, typical), lanes.rows, fresh, steps)

    if tile is None:
        return jax.vmap(one)(lanes)
    tiled = jax.tree.map(lambda leaf: leaf.reshape(-1, tile, *leaf.shape[1:]), lanes)
    return lax.map(jax.vmap(one), tiled).reshape(lanes.rows.shape)


def _own(leaf: Array, problem: Array) -> Array:
    """A lane's part of a table; all lanes share one copy of the only problem there is."""
    return leaf[0] if len(leaf) == 1 else leaf[problem]


def _sharded(program: Callable[..., Array], mesh: Mesh | None) -> Callable[..., Array]:
    """``program(tables, lanes or groups, …)`` on each device's share of the second argument."""
    if mesh is None:
        return program
    here, everywhere = PartitionSpec(AXIS), PartitionSpec()
    return jax.shard_map(program, mesh=mesh, in_specs=(everywhere, here, everywhere), out_specs=here, check_vma=False)
