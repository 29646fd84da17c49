"""Mixture weights under constraints: the nearest feasible point, the best vertex, and the face that a point lies on.

Nothing here loops until it has converged. A sum of clipped numbers is piecewise linear in a common shift, so it is
evaluated at all its corners at once, ``(2S, S)``, and solved exactly between two of them; lanes of a batch march
together, on a CPU as well as on an accelerator. Where no mixture satisfies the constraints, the pair that conflicts is
named.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

Numbers = Array | NDArray[Any]

REFINE = 3  # Newton steps that remove what rounding leaves


class Polytope(NamedTuple):
    """``{w: Σ w = 1, lower ≤ w ≤ upper, group_lower ≤ Σ_{i in g} w_i ≤ group_upper for each group g}``.

    All arrays are traced: programs are compiled for numbers of sources and groups, not for bounds. Groups are
    disjoint. Nothing checks here that the set has a point: see :func:`flpjax.engine.polytope.conflict`.
    """

    lower: Numbers  # (S,)
    upper: Numbers  # (S,)
    group: Numbers  # (S,) whole numbers: the group of a source, -1 for none
    group_lower: Numbers  # (G,)
    group_upper: Numbers  # (G,)


class Landing(NamedTuple):
    """The nearest feasible point, and the face of the set that it lies on."""

    point: Array  # (S,)
    blocks: (
        Array  # (S, G + 1) 1 where a source is free and belongs to a sum that must stay: of its group, or of the rest
    )

    def along(self, vector: Array) -> Array:
        """The part of ``(S, …)`` along the face: 0 for sources at a bound, and sums of blocks 0."""
        free = jnp.sum(self.blocks, axis=1)
        vector = vector * jnp.expand_dims(free, tuple(range(1, vector.ndim)))
        mean = (self.blocks.T @ vector) / jnp.expand_dims(self._count(), tuple(range(1, vector.ndim)))
        return vector - self.blocks @ mean

    def matrix(self) -> Array:
        """``(S, S)`` what :meth:`along` multiplies by."""
        return jnp.diag(jnp.sum(self.blocks, axis=1)) - (self.blocks / self._count()[None, :]) @ self.blocks.T

    def _count(self) -> Array:
        return jnp.maximum(jnp.sum(self.blocks, axis=0), 1.0)


def simplex(sources: int) -> Polytope:
    """All mixtures of so many sources."""
    none = np.zeros(0)
    return Polytope(np.zeros(sources), np.ones(sources), np.full(sources, -1, np.int32), none, none)


def project(polytope: Polytope, vector: Array) -> Array:
    """The feasible point nearest to a vector ``(S,)``; batches are made around it.

    Bounds hold exactly, so zeros are zeros; sums hold to rounding. A vector much longer than 1 costs as many digits of
    the point as its own rounding does.
    """
    return land(polytope, vector).point


def land(polytope: Polytope, vector: Array) -> Landing:
    """As :func:`project`, with the face.

    The point is ``clip(vector - shift, lower, upper)``, with a shift for each group that is at one of its bounds and
    one for all others. A group's own two shifts, at which its sum meets its bounds, don't depend on the rest: clipped
    to lie between them, the common shift solves for the whole.
    """
    lower, upper = jnp.asarray(polytope.lower), jnp.asarray(polytope.upper)
    vector = vector - jnp.max(vector)
    corners = jnp.concatenate([vector - upper, vector - lower])

    def clipped(shifts: Array) -> Array:  # (shift, S)
        return jnp.clip(vector[None, :] - shifts[:, None], lower[None, :], upper[None, :])

    if len(polytope.group_lower) == 0:
        point = vector - _level(corners, jnp.sum(clipped(corners), axis=1), jnp.ones(()))
        for _ in range(REFINE):
            excess = jnp.sum(jnp.clip(point, lower, upper)) - 1.0
            point = point - excess / jnp.maximum(jnp.sum((point > lower) & (point < upper)), 1)
        free = (point > lower) & (point < upper)
        return Landing(jnp.clip(point, lower, upper), free[:, None].astype(vector.dtype))

    least, most = jnp.asarray(polytope.group_lower), jnp.asarray(polytope.group_upper)
    member = _members(polytope)
    alone = 1.0 - jnp.sum(member, axis=1)
    sums = clipped(corners) @ member
    level = jax.vmap(_level, (None, 1, 0))
    first, last = level(corners, sums, most), level(corners, sums, least)
    corners = jnp.concatenate([corners, first, last])
    table = clipped(corners)
    shift = _level(
        corners, jnp.sum(jnp.clip(table @ member, least[None, :], most[None, :]), axis=1) + table @ alone, jnp.ones(())
    )
    pinned = (shift < first) | (shift > last) | (least >= most)
    target = jnp.where(shift < first, most, least)
    point = vector - alone * shift - member @ jnp.clip(shift, first, last)
    held = member * pinned[None, :]
    loose = 1.0 - jnp.sum(held, axis=1)
    for _ in range(REFINE):
        inside, free = jnp.clip(point, lower, upper), ((point > lower) & (point < upper)).astype(vector.dtype)
        own = jnp.where(pinned, (inside @ member - target) / jnp.maximum(free @ member, 1.0), 0.0)
        rest = jnp.sum(inside * loose) - (1.0 - jnp.sum(jnp.where(pinned, target, 0.0)))
        point = point - member @ own - loose * rest / jnp.maximum(jnp.sum(free * loose), 1.0)
    free = ((point > lower) & (point < upper)).astype(vector.dtype)
    return Landing(jnp.clip(point, lower, upper), free[:, None] * jnp.concatenate([held, loose[:, None]], axis=1))


def linear_max(polytope: Polytope, gradient: Array) -> Array:
    """A feasible point ``(S,)`` at which ``gradient · w`` is greatest: a vertex.

    Greedy: bounds from below are met first, within a group by its best sources; what is left goes to the best that have
    room. The value of a group's sum is concave in it, so nothing is gained by taking mass back.
    """
    lower, upper = jnp.asarray(polytope.lower), jnp.asarray(polytope.upper)
    order = jnp.arange(len(lower))
    better = (gradient[None, :] > gradient[:, None]) | (
        (gradient[None, :] == gradient[:, None]) & (order[None, :] < order[:, None])
    )
    capacity, point = upper - lower, lower
    if len(polytope.group_lower):
        member = _members(polytope)
        base = member.T @ lower
        grouped = jnp.sum(member, axis=1) > 0
        same = (member @ member.T) > 0
        before = jnp.sum(jnp.where(better & same, capacity[None, :], 0.0), axis=1)
        must = member @ jnp.maximum(polytope.group_lower - base, 0.0)
        may = jnp.where(grouped, member @ jnp.maximum(polytope.group_upper - base, 0.0), jnp.inf)
        forced = jnp.clip(must - before, 0.0, capacity)
        point = point + forced
        capacity = jnp.maximum(jnp.minimum(before + capacity, may) - jnp.maximum(before, must), 0.0)
        capacity = jnp.minimum(capacity, upper - point)
    before = jnp.sum(jnp.where(better, capacity[None, :], 0.0), axis=1)
    return point + jnp.clip(1.0 - jnp.sum(point) - before, 0.0, capacity)


def _members(polytope: Polytope) -> Array:
    """``(S, G)`` 1 where a source belongs to a group."""
    groups = jnp.arange(len(polytope.group_lower))
    return (jnp.asarray(polytope.group)[:, None] == groups[None, :]).astype(jnp.asarray(polytope.lower).dtype)


def _level(corners: Array, sums: Array, target: Array) -> Array:
    """Where a falling piecewise linear function meets a number; the nearest corner if it nowhere does.

    Args:
        corners: ``(corner,)``, in any order.
        sums: ``(corner,)`` the function there.
        target: The number.
    """
    above, below = sums >= target, sums <= target
    first, last = jnp.min(corners), jnp.max(corners)
    left = jnp.max(jnp.where(above, corners, first))
    right = jnp.min(jnp.where(below, corners, last))
    high = jnp.min(jnp.where(above, sums, jnp.inf))
    low = jnp.max(jnp.where(below, sums, -jnp.inf))
    between = jnp.isfinite(high) & jnp.isfinite(low) & (high > low)
    share = (jnp.where(between, high, 1.0) - target) / jnp.where(between, high - low, 1.0)
    return jnp.where(between, left + share * (right - left), jnp.where(jnp.isfinite(high), left, right))


SLACK = 1e-12  # by which sums may miss: bounds of ten times .1 are feasible

Kind = Literal["lower", "upper", "group_lower", "group_upper", "members", "total"]


class Limit(NamedTuple):
    """One constraint.

    ``index`` counts sources for ``"lower"`` and ``"upper"``, groups for ``"group_lower"``, ``"group_upper"`` and
    ``"members"`` (the group is empty), and is -1 for ``"total"`` (weights sum to 1).
    """

    kind: Kind
    index: int  # type: ignore[assignment]  # hides tuple.index
    bound: float


class Conflict(NamedTuple):
    """Two constraints that can't both hold, given the others: together they need ``needs``, and ``allows`` is there.

    Where more than two are to blame, as when all bounds from below sum to more than 1, the pair is the two that weigh
    most: the largest bounds from below, or the smallest from above.
    """

    one: Limit
    other: Limit
    needs: float
    allows: float


TOTAL = Limit("total", -1, 1.0)


def conflict(polytope: Polytope) -> Conflict | None:
    """What makes the constraints infeasible, or None: then a feasible mixture exists, to rounding.

    Bounds that are not numbers conflict with whatever they are paired with.
    """
    lower, upper, group, least, most = (np.asarray(leaf) for leaf in polytope)
    for i in np.flatnonzero(~(lower <= upper)):
        return Conflict(_limit("lower", i, lower), _limit("upper", i, upper), float(lower[i]), float(upper[i]))
    for empty in np.flatnonzero(~(least <= most)):
        pair = _limit("group_lower", empty, least), _limit("group_upper", empty, most)
        return Conflict(*pair, float(least[empty]), float(most[empty]))
    floors = [_limit("lower", i, lower) for i in np.flatnonzero(group < 0)]
    ceilings = [_limit("upper", i, upper) for i in np.flatnonzero(group < 0)]
    for g in range(len(least)):
        members = np.flatnonzero(group == g)
        needs, allows = float(lower[members].sum()), float(upper[members].sum())
        from_below = [_limit("lower", i, lower) for i in members]
        from_above = [_limit("upper", i, upper) for i in members]
        if needs > most[g] + SLACK:
            one = max(from_below, key=lambda limit: limit.bound, default=Limit("members", g, 0.0))
            return Conflict(one, _limit("group_upper", g, most), needs, float(most[g]))
        if allows < least[g] - SLACK:
            other = min(from_above, key=lambda limit: limit.bound, default=Limit("members", g, 0.0))
            return Conflict(_limit("group_lower", g, least), other, float(least[g]), allows)
        floors += [_limit("group_lower", g, least)] if least[g] > needs else from_below
        ceilings += [_limit("group_upper", g, most)] if most[g] < allows else from_above
    needs, allows = (sum(limit.bound for limit in limits) for limits in (floors, ceilings))
    if needs > 1.0 + SLACK:
        weighty = sorted((limit for limit in floors if limit.bound > 0), key=lambda limit: -limit.bound)
        one, other = [*weighty, TOTAL][:2]
        return Conflict(one, other, needs, 1.0)
    if allows < 1.0 - SLACK:
        # A source that is left out on purpose (bound 0) is named only where there is nothing else to name.
        tight = sorted(ceilings, key=lambda limit: (limit.bound <= 0, limit.bound))
        one, other = [*tight, TOTAL, TOTAL][:2]
        return Conflict(one, other, 1.0, allows)
    return None


def _limit(kind: Kind, index: int | np.integer, bounds: np.ndarray) -> Limit:
    return Limit(kind, int(index), float(bounds[index]))
