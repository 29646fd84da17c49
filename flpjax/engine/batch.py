"""Fit many problems as one batch (draws × problems × starts); the best start of each fit is returned.

A fit is one problem under one draw's row weights; a lane is one start of one fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.chosen import Chosen
from flpjax.engine.devices import Devices
from flpjax.engine.gauss_newton import Task, unpack
from flpjax.engine.host_rounds import HostRounds
from flpjax.engine.lanes import SURVIVORS, Starts, Tables
from flpjax.engine.moments import Anchor, Residual
from flpjax.engine.padding import LEAST_PROBLEMS, LEAST_ROWS, pad_draws, padded, room
from flpjax.engine.resident import Resident
from flpjax.engine.settings import Settings
from flpjax.errors import InputError
from flpjax.numerics import require_x64


class Ends(NamedTuple):
    """Parameters, objective, status and number of steps at the end of every start."""

    vector: NDArray[np.floating]  # (draw, problem, start, p)
    value: NDArray[np.floating]  # (draw, problem, start)
    status: NDArray[np.int32]  # (draw, problem, start)
    steps: NDArray[np.int32]  # (draw, problem, start)


class Solution(NamedTuple):
    """The best start of every problem under every draw's weights."""

    vector: NDArray[np.floating]  # (draw, problem, p)
    value: NDArray[np.floating]  # (draw, problem)
    status: NDArray[np.int32]  # (draw, problem) a Status
    agree: NDArray[
        np.float64
    ]  # (draw, problem) share of the starts, of those run to the end, that found the same optimum
    gradient: NDArray[np.floating]  # (draw, problem) norm of the gradient there
    condition: NDArray[
        np.float64
    ]  # (draw, problem) condition number of the Gauss-Newton Hessian scaled to unit diagonal
    hessian: NDArray[np.floating]  # (draw, problem, p, p) Gauss-Newton Hessian, the anchor's included
    starts: Ends  # all starts that were run to the end


def solve(
    residual: Residual,
    data: Any,
    weight: Array | NDArray[np.float64],
    resample: Array | NDArray[np.float64],
    starts: NDArray[np.float64],
    *,
    draws: Sequence[int] | None = None,
    anchor: Anchor | None = None,
    huber: float | None = None,
    linear: tuple[int, ...] = (),
    typical: NDArray[np.float64] | None = None,
    settings: Settings | None = None,
    least: tuple[int, int] = (LEAST_PROBLEMS, LEAST_ROWS),
) -> Solution:
    """Fit every problem, under every draw's row weights, from every start.

    Draws are sets of row weights: none copies the data. The compiled program does not depend on the number of draws or
    starts. Up to rounding, the result of a fit depends neither on the other fits of the batch nor on the devices.

    Args:
        residual: Static function ``(vector (p,), data of one row) -> number``.
        data: Pytree of all problems, leaves ``(problem, row, …)``.
        weight: ``(problem, row)`` weights of the rows, 0 for rows that a problem does not use.
        resample: ``(draw, row)`` factors of the weights: how often a draw's resample has each row; 1 for a point fit.
        starts: ``(problem, start, p)`` unconstrained parameters.
        draws: Indices of the draws to fit; None fits all.
        anchor: A quadratic penalty of each draw's parameters about given values, leaves ``(draw, p)``, or None.
        huber: Corner of the Huber loss, None for squared loss.
        linear: Components of the vector in which residuals are affine, given the others: they are solved for, not
            searched (variable projection). If that is all of them, one start is enough. With a Huber loss they are
            searched like the others.
        typical: ``(p,)`` typical sizes of the parameters, by which steps are scaled; None takes the root mean square
            of the starts.
        settings: Steps, tolerance, precision and devices.
        least: Problems and rows that the program is compiled for at least: calls of fewer share it. More problems cost
            memory alone, more rows time, too.

    Raises:
        InputError: There is nothing to fit, a draw is not there, or weights are negative or not finite.
        PrecisionError: JAX is in 32 bits, and float32 was not asked for.
    """
    settings = settings or Settings()
    dtype = np.dtype(settings.precision)
    if settings.precision == "float64":
        require_x64("Settings(precision='float64')")
    chosen = np.arange(len(resample)) if draws is None else np.asarray(draws)
    weight = np.asarray(weight)
    _check(weight, np.asarray(resample), starts, chosen, anchor)
    linear = () if huber is not None else linear
    if len(linear) == starts.shape[2]:  # the solution does not depend on the start
        starts = np.where(np.isfinite(starts[:, :1]), starts[:, :1], 0.0)
    problems, per_fit, size = starts.shape
    rows = weight.shape[1]
    devices = Devices.of(settings.mesh)
    task = Task(residual, linear, huber, settings.steps, settings.share(dtype), backwards=not devices.on_cpu)
    sizes = np.broadcast_to(_typical(starts) if typical is None else typical, (problems, size))
    resample, anchor = jax.tree.map(pad_draws, (resample, anchor))
    space = room(problems, rows, len(chosen) * problems * per_fit, least, exact=not devices.on_cpu)
    data, sizes = jax.tree.map(lambda leaf: padded(leaf, *space), data), padded(sizes, space[0])
    weight = np.pad(weight, [(0, space[0] - problems), (0, space[1] - rows)])
    resample = padded(resample, len(resample), space[1])
    tables = Tables(_with_finite_padding(data, weight), weight, resample, anchor, sizes)
    tables = jax.tree.map(lambda leaf: _cast(leaf, dtype), tables)
    first = Starts(padded(starts, space[0]).astype(dtype), settings.follow == "promising" and per_fit > SURVIVORS)
    solver = (HostRounds if devices.on_cpu else Resident)(task, devices, tables, first)

    draw, problem = (i.ravel().astype(np.int32) for i in np.meshgrid(chosen, np.arange(problems), indexing="ij"))
    on_this_host = devices.share(len(draw))
    found = devices.gather(solver.solve(draw[on_this_host], problem[on_this_host]), len(draw))
    return _solution(found, (len(chosen), problems), size)


def _solution(found: Chosen, shape: tuple[int, int], size: int) -> Solution:
    """The solution, its leaves ``(draw, problem, …)``, from the best start of each fit, leaves ``(fit, …)``."""
    lane = unpack(found.row, size)
    gradient = np.linalg.norm(lane.gradient, axis=-1)
    ends = Ends(found.vector, found.value, found.statuses, found.steps)
    agree, condition = found.agree.astype(float), _condition(lane.hessian)
    whole = Solution(lane.vector, lane.value, found.status, agree, gradient, condition, lane.hessian, ends)
    return jax.tree.map(lambda leaf: np.ascontiguousarray(leaf).reshape(*shape, *leaf.shape[1:]), whole)


def _condition(hessian: NDArray[np.floating]) -> NDArray[np.float64]:
    """Condition numbers of ``(fit, p, p)``, scaled to unit diagonals; infinite where a parameter has no effect."""
    scale = np.sqrt(np.diagonal(hessian, axis1=1, axis2=2))
    safe = np.where(scale > 0, scale, 1.0)
    unit = np.where(np.eye(hessian.shape[1], dtype=bool), 1.0, hessian / (safe[:, :, None] * safe[:, None, :]))
    eigenvalues = np.linalg.eigvalsh(np.nan_to_num(unit))
    least, known = eigenvalues[:, 0], (scale > 0).all(1) & (eigenvalues[:, 0] > 0)
    return np.divide(eigenvalues[:, -1], least, out=np.full(len(least), np.inf), where=known)


def _check(
    weight: NDArray[Any], resample: NDArray[Any], starts: NDArray[Any], draws: NDArray[np.intp], anchor: Anchor | None
) -> None:
    if 0 in starts.shape or weight.shape[1] == 0 or len(draws) == 0:
        raise InputError(
            f"{len(draws)} draws, {len(starts)} problems, {starts.shape[1]} starts, {weight.shape[1]} rows",
            where="solve",
            remedy="Give at least one of each",
        )
    if draws.min() < 0 or draws.max() >= len(resample):
        raise InputError(
            f"draws {draws.min()} to {draws.max()} are asked for, and there are {len(resample)}",
            where="solve",
            remedy="Number them from 0",
        )
    for name, weights in (("weight", weight), ("resample", resample)):
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise InputError(
                f"{name} holds numbers that are negative or not finite",
                where="solve",
                remedy="Give 0 to rows that don't count",
            )
    if anchor is not None and any(len(leaf) != len(resample) for leaf in anchor):
        raise InputError("the anchor does not have a row for each draw", where="solve", remedy="Give leaves (draw, p)")


def _typical(starts: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(problem, p)`` root mean squares of the finite starts, 1 where they are 0."""
    finite = np.isfinite(starts)
    squares = np.where(finite, starts, 0.0) ** 2
    size = np.sqrt(squares.sum(axis=1) / np.maximum(finite.sum(axis=1), 1))
    return np.where(size > 0, size, 1.0)


def _with_finite_padding(data: Any, weight: NDArray[np.float64]) -> Any:
    """Data with rows of weight 0 replaced by the problem's first row of positive weight, so that all values are finite.

    A problem without any such row, which the anchor alone may determine, gets ones.
    """
    counts = weight > 0
    row = np.where(counts, np.arange(weight.shape[1]), counts.argmax(axis=1)[:, None])
    empty = ~counts.any(axis=1)

    def clean(leaf: Any) -> NDArray[Any]:
        kept = np.asarray(leaf)[np.arange(len(row))[:, None], row]
        kept[empty] = 1
        return kept

    return jax.tree.map(clean, data)


def _cast(leaf: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Floating-point arrays in a precision; others unchanged."""
    values = np.asarray(leaf)
    return values.astype(dtype) if np.issubdtype(values.dtype, np.floating) else values
