"""A lane: where one start stands, as a row of numbers, so that a batch of lanes is one array."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.status import Status

FIRST_DAMPING = 1e-2
GROWTH = 4.0  # of the damping after a first refused step; doubled with every further one

Numbers = Any
"""JAX arrays inside a program, NumPy arrays on the host."""


class Lane(NamedTuple):
    """Where one start stands, between rounds and at the end."""

    vector: Numbers  # (…, p) unconstrained parameters
    gradient: Numbers  # (…, p) there, before the last polish
    hessian: Numbers  # (…, p, p) Gauss-Newton Hessian there, by the curvature of the loss, anchor included
    value: Numbers  # (…) the objective there
    decrement: Numbers  # (…) share of the objective that one more Newton step would gain
    floor: Numbers  # (…) objectives below this are rounding: an exact fit
    damping: Numbers  # (…)
    growth: Numbers  # (…) of the damping, should the next step be refused
    corner: Numbers  # (…) of the Huber loss, on its way down
    status: Numbers  # (…) a Status
    steps: Numbers  # (…) steps taken


def pack(lane: Lane) -> Array:
    """One lane as a row ``(width,)``."""
    parts = [jnp.ravel(leaf) for leaf in lane]
    return jnp.concatenate([part.astype(lane.vector.dtype) for part in parts])


def unpack(rows: Numbers, size: int) -> Lane:
    """Rows ``(…, width)`` as lanes of ``size`` parameters; of a NumPy array, as views."""
    square = 2 * size + size**2
    hessian = rows[..., 2 * size : square].reshape(*rows.shape[:-1], size, size)
    scalars = (rows[..., square + i] for i in range(len(Lane._fields) - 3))
    return Lane(rows[..., :size], rows[..., size : 2 * size], hessian, *scalars)


def begin(start: Numbers) -> Array:
    """Rows ``(…, width)`` of lanes that have not moved from ``start (…, p)``."""
    size = start.shape[-1]
    scalars = np.array([np.inf, np.inf, 0.0, FIRST_DAMPING, GROWTH, np.inf, Status.RUNNING, 0.0], start.dtype)
    rest = np.concatenate([np.zeros(size + size**2, start.dtype), scalars])
    where = np if isinstance(start, np.ndarray) else jnp
    return where.concatenate([start, where.broadcast_to(rest, (*start.shape[:-1], len(rest)))], axis=-1)


def running(rows: NDArray, size: int) -> NDArray[np.bool_]:
    """Which rows ``(lane, width)`` have not ended."""
    return unpack(rows, size).status == Status.RUNNING
