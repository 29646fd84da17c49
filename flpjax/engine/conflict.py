"""Why no mixture satisfies the constraints: the pair of them that conflicts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from flpjax.engine.polytope import Polytope

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
