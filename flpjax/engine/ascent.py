"""Best mixtures of many problems as one batch: problems × starts, and what each best one is worth."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.engine.climb import FAILED, SETTLED, Climber, Value
from flpjax.engine.climbers import Climbers, best_vertices, in_blocks, nearest_points, put, take
from flpjax.engine.polytope import Polytope, conflict
from flpjax.errors import InputError
from flpjax.numerics import require_x64

FOLLOWED = 8  # stuck starts of a problem, its highest, that are followed along ridges
ROUNDS = 4  # of ridges and of moves between pairs
AGREE = 1e-6  # starts whose values differ by less, relatively or absolutely, found the same
ROUNDING = 1e-14  # of a weight: nearer to its lower bound it is there, so that zeros are exact
SAME = 1e-12  # of such starts one that has converged is the answer, and of these the first


class AscentStatus(IntEnum):
    """How the search for a best mixture ended."""

    CONVERGED = 0  # the projected gradient vanishes
    KINK = 1  # it does not, and yet no move between two sources gains: a corner of the value
    STEP_LIMIT = 2  # there was still a way up
    NON_FINITE = 3  # the value is finite at no start


class Optima(NamedTuple):
    """The best mixture of each problem."""

    weights: NDArray[np.float64]  # (problem, S)
    value: NDArray[np.float64]  # (problem,) -inf where no start was finite
    kkt: NDArray[np.float64]  # (problem,) max-norm of weights - project(weights + gradient)
    gap: NDArray[
        np.float64
    ]  # (problem,) max over feasible v of gradient · (v - weights): a concave value gains no more
    agree: NDArray[np.float64]  # (problem,) share of the starts that reached the same value
    status: NDArray[np.int32]  # (problem,) an AscentStatus


def ascend(
    value: Value,
    data: Any,
    starts: NDArray[np.float64],
    polytope: Polytope,
    *,
    steps: int = 100,
    tolerance: float = 1e-8,
    device: jax.Device | None = None,
) -> Optima:
    """Maximise ``value(weights, data of a problem)`` over a polytope, for every problem from every start.

    All starts climb as far as gradients and curvature lead. Of those that end at a kink, the highest of each problem
    follow its ridges. Neither the number of starts nor bounds are part of the compiled programs. A
    concave value is maximised; of others the answer is the best that was found, and more starts find better ones.

    Args:
        value: Static hashable function ``(weights (S,), data of one problem) -> number``, twice differentiable but for
            kinks. At its kinks, a gradient of any piece will do.
        data: Pytree of all problems, leaves ``(problem, …)``.
        starts: ``(problem, start, S)``, or ``(start, S)`` for all; the nearest feasible points are taken.
        polytope: Where weights may lie.
        steps: The most steps of a start, each time that it climbs.
        tolerance: The residual ``kkt`` at which a start has converged. Values are best scaled to differ by about 1.
        device: Where to search; None takes the CPU, also where there is a GPU: these programs compile several times
            faster for it and hundreds of draws run as fast. Tens of thousands are worth an accelerator.

    Raises:
        InputError: There is nothing to do, shapes don't fit, or no mixture is feasible.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("ascend")
    polytope = Polytope(*(np.asarray(leaf, np.int32 if i == 2 else float) for i, leaf in enumerate(polytope)))
    starts = np.asarray(starts, float)
    problems = _check(data, starts, polytope)
    starts = np.broadcast_to(starts, (problems, *starts.shape[-2:]))
    per_problem, size = starts.shape[1:]
    problem = np.repeat(np.arange(problems, dtype=np.int32), per_problem)
    climbers = Climbers(value, data, polytope, tolerance, device or jax.local_devices(backend="cpu")[0])
    lanes = climbers.start(starts.reshape(-1, size))
    climbers.advance(problem, lanes, steps)

    cornered = np.zeros(len(problem), bool)
    which = _stuck(lanes, per_problem)
    for _ in range(ROUNDS):
        own = _arrays(climbers.follow(problem[which], take(lanes, which))) if len(which) else None
        if own is None:
            break
        climbers.advance(problem[which], own, steps)
        put(lanes, which, own)
        which = which[lanes.status[which] != SETTLED]
        if not len(which):
            break
        own, moves = climbers.shift(problem[which], take(lanes, which))
        cornered[which] = moves == 0
        which = which[moves > 0]
        put(lanes, which, take(own, np.flatnonzero(moves)))

    best, agree = _best(lanes, per_problem)
    lost = lanes.status[best] == FAILED
    number, kkt, gap = climbers.report(problem[best], lanes.weights[best])
    status = np.where(cornered[best], AscentStatus.KINK, AscentStatus.STEP_LIMIT)
    status = np.where(kkt <= tolerance, AscentStatus.CONVERGED, status)
    status = np.where(lost, AscentStatus.NON_FINITE, status).astype(np.int32)
    kkt, gap = (np.where(lost | ~np.isfinite(leaf), np.inf, leaf) for leaf in (kkt, gap))
    weights = np.where(np.abs(lanes.weights[best] - polytope.lower) < ROUNDING, polytope.lower, lanes.weights[best])
    return Optima(weights, np.where(lost, -np.inf, number), kkt, gap, agree, status)


def spread_starts(polytope: Polytope, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Feasible starts ``(count, S)``: a centre, vertices, and mixtures of vertices, of about as many each.

    Vertices are where the weight of one source is greatest, the other weights in random order of preference.

    Args:
        polytope: Where weights may lie; it must have a point.
        count: How many starts.
        rng: For the choice of vertices and mixtures.
    """
    size = len(polytope.lower)
    numbers = Polytope(*(np.asarray(leaf) for leaf in polytope))
    directions = np.concatenate([np.eye(size) * 2.0, np.zeros((max(count - size, 0), size))])
    directions = directions + rng.random(directions.shape)
    corners = in_blocks(best_vertices, numbers, directions)
    _, first = np.unique(corners.round(12), axis=0, return_index=True)
    corners = corners[rng.permutation(np.sort(first))]
    some = corners[: max((count - 1) // 2, 0)]
    mixed = rng.dirichlet(np.ones(len(corners)), max(count - 1 - len(some), 0)) @ corners
    points = np.concatenate([corners.mean(axis=0)[None], some, mixed])[:count]
    return in_blocks(nearest_points, numbers, points)


def nearest_feasible(polytope: Polytope, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest feasible points to ``(point, S)``."""
    numbers = Polytope(*(np.asarray(leaf) for leaf in polytope))
    return in_blocks(nearest_points, numbers, np.asarray(points, float))


def _arrays(lanes: Climber) -> Climber:
    return Climber(*(np.array(leaf) for leaf in lanes))


def _stuck(lanes: Climber, per_problem: int) -> NDArray[np.intp]:
    """The highest starts of each problem that have neither converged nor failed."""
    waiting = ((lanes.status != SETTLED) & (lanes.status != FAILED)).reshape(-1, per_problem)
    value = np.where(waiting, lanes.value.reshape(-1, per_problem), -np.inf)
    order = np.argsort(-value, axis=1, kind="stable")[:, :FOLLOWED]
    chosen = np.zeros_like(waiting)
    np.put_along_axis(chosen, order, True, axis=1)
    return np.flatnonzero(chosen & waiting)


def _best(lanes: Climber, per_problem: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The lane that answers each problem, and the share of its starts that agree."""
    failed, settled = ((lanes.status == which).reshape(-1, per_problem) for which in (FAILED, SETTLED))
    value = np.where(failed, -np.inf, lanes.value.reshape(-1, per_problem))
    top = value.max(axis=1, keepdims=True)
    scale = np.maximum(1.0, np.abs(np.where(np.isfinite(top), top, 0.0)))
    agree = (~failed & (value >= top - AGREE * scale)).mean(axis=1)
    same = value >= top - SAME * scale
    lane = (same + (same & settled)).argmax(axis=1)
    return lane + per_problem * np.arange(len(value)), agree


def _check(data: Any, starts: NDArray[np.float64], polytope: Polytope) -> int:
    """The number of problems, if all is well."""
    lengths = {len(np.asarray(leaf)) if np.ndim(leaf) else -1 for leaf in jax.tree.leaves(data)}
    size = len(polytope.lower)
    if len(lengths) != 1 or min(lengths) < 1:
        raise InputError(
            "the leaves of data don't share a first axis of problems",
            where="ascend",
            remedy="Give leaves (problem, …), at least one problem",
        )
    (problems,) = lengths
    if (
        starts.ndim not in (2, 3)
        or 0 in starts.shape
        or starts.shape[-1] != size
        or (len(starts) != problems and starts.ndim == 3)
    ):
        raise InputError(
            f"starts {starts.shape} don't fit {problems} problems of {size} sources",
            where="ascend",
            remedy="Give (problem, start, source), or (start, source) for all problems",
        )
    against = conflict(polytope)
    if against is not None:
        raise InputError(
            f"no mixture is feasible: {against.one.kind} {against.one.index} conflicts with {against.other.kind} "
            f"{against.other.index}: together they need {against.needs:g}, and {against.allows:g} is allowed",
            where="ascend",
            remedy="Loosen one of the two",
        )
    return problems
