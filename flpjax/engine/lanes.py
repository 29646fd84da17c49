"""The two programs that lanes run: a round of steps, and the choice of promising starts."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.gauss_newton import Numbers, Problem, Task, begin, descend, unpack
from flpjax.engine.moments import Anchor
from flpjax.numerics import compiled

ROUND = 8  # steps between two looks at which lanes have ended
LOOK = 4  # steps before a look at which are promising
GROUP = 256  # starts that compete for going on; a multiple of a CPU's tile
SURVIVORS = GROUP // 64  # of them go on

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


class Starts(NamedTuple):
    """Where the fits of every problem start.

    Attributes:
        first: ``(problem, start, p)``.
        scouted: Whether only promising ones are followed to their ends.
    """

    first: NDArray[np.floating]
    scouted: bool

    @property
    def per_fit(self) -> int:
        """How many a fit has."""
        return self.first.shape[1]

    @property
    def followed(self) -> int:
        """How many of them are followed to their ends."""
        return SURVIVORS * group_count(self.per_fit) if self.scouted else self.per_fit

    @property
    def size(self) -> int:
        """Parameters, p."""
        return self.first.shape[2]

    def fresh(self, problem: NDArray[np.int32]) -> NDArray[np.floating]:
        """All starts ``(lane, p)`` of fits, one behind the other."""
        return self.first[problem].reshape(-1, self.size)

    def places(self) -> NDArray[np.floating]:
        """``(problem, place, p)`` the starts, and behind them some that fail, up to one of few numbers."""
        padded_count = GROUP
        while padded_count <= self.per_fit:
            padded_count *= 4
        return np.pad(self.first, [(0, 0), (0, padded_count - self.per_fit), (0, 0)], constant_values=np.nan)


class Groups(NamedTuple):
    """Starts of fits, :data:`GROUP` at a time."""

    draw: Numbers  # (group,)
    problem: Numbers  # (group,)
    first: Numbers  # (group,) the first start of each
    stride: Numbers  # (group,) from one start to the next


@partial(compiled, static_argnums=(0, 1), options=REORDER)
def advance(task: Task, tile: int | None, tables: Tables, lanes: Lanes, fresh: Array) -> Array:
    """Rows ``(lane, width)`` after one round of lanes, a tile of them at a time; None takes all at once."""
    return _round(task, tile, ROUND, tables, lanes, fresh)


@partial(compiled, static_argnums=(0, 1), options=REORDER)
def scout(task: Task, tile: int | None, tables: Tables, groups: Groups, starts: Array) -> Array:
    """Two short rounds of groups of starts; the lowest eighth stays each time. Rows ``(group · stay, width)``."""
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


def group_count(per_fit: int) -> int:
    """Groups that the starts of a fit make; the i-th takes every such start from the i-th on, so all are alike."""
    return -(-per_fit // GROUP)


def groups_of(draw: NDArray[np.int32], problem: NDArray[np.int32], per_fit: int) -> tuple[Groups, Groups]:
    """The groups of fits ``(fit,)`` of so many starts each, fit by fit; and one that fails at once, to fill calls."""
    count = group_count(per_fit)
    first = np.tile(np.arange(count, dtype=np.int32), len(draw))
    groups = Groups(np.repeat(draw, count), np.repeat(problem, count), first, np.full_like(first, count))
    return groups, take(groups, slice(1))._replace(first=np.array([per_fit], np.int32))


def take(items: Any, index: Any) -> Any:
    """Some lanes, or groups, of many."""
    return jax.tree.map(lambda leaf: leaf[index], items)


def filled(items: Any, filler: Any, size: int) -> Any:
    """Lanes, or groups, on the host, and behind them copies of one, up to ``size``."""
    spare = size - len(items.draw)
    if not spare:
        return items
    return jax.tree.map(lambda leaf, one: np.concatenate([leaf, np.repeat(one, spare, 0)]), items, filler)


def _round(task: Task, tile: int | None, steps: int, tables: Tables, lanes: Lanes, fresh: Array) -> Array:
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
