"""Many fits as one batch: draws × problems × starts, a block of fits at a time; the best start of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.devices import CALL_STEP, Devices
from flpjax.engine.gauss_newton import Lane, Task, unpack
from flpjax.engine.lanes import STAY, Lanes, Tables, group_count, padded_starts
from flpjax.engine.moments import Anchor, Residual
from flpjax.engine.settings import USABLE, Settings, Status
from flpjax.errors import InputError
from flpjax.numerics import require_x64

BLOCK_CALLS = 8  # of lanes on the host at a time
BLOCK_LEAST = 1 << 15  # lanes: enough for all threads of a CPU
LEAST_DRAWS = 512  # that tables hold; programs for more come in steps
LEAST_ROOM = 16  # for problems and for rows, if there are several
AGREE = 1e-6  # starts whose objectives differ by less, relatively, found the same optimum


class Ends(NamedTuple):
    """Where every start ended."""

    vector: NDArray[np.floating]  # (draw, problem, start, p)
    value: NDArray[np.floating]  # (draw, problem, start)
    status: NDArray[np.int32]  # (draw, problem, start)
    steps: NDArray[np.int32]  # (draw, problem, start)


class Solution(NamedTuple):
    """The best start of every problem under every draw's weights."""

    vector: NDArray[np.floating]  # (draw, problem, p)
    value: NDArray[np.floating]  # (draw, problem)
    status: NDArray[np.int32]  # (draw, problem) a Status
    agree: NDArray[np.float64]  # (draw, problem) share of the starts followed that found the same optimum
    gradient: NDArray[np.floating]  # (draw, problem) length of the gradient there
    condition: NDArray[np.float64]  # (draw, problem) of the Gauss-Newton Hessian scaled to unit diagonal
    hessian: NDArray[np.floating]  # (draw, problem, p, p) Gauss-Newton's, the anchor included
    starts: Ends  # of the starts followed


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
) -> Solution:
    """Fit every problem, under every draw's row weights, from every start.

    Resampling is a matter of weights: no draw copies the data. Neither the number of draws nor that of starts is part
    of the compiled program, and only the answer grows with them. The answer of a fit depends on nothing but the fit:
    not on its neighbours in the batch, nor, but for rounding, on the devices.

    Args:
        residual: Static function ``(vector (p,), data of one row) -> number``.
        data: Pytree of all problems, leaves ``(problem, row, …)``.
        weight: ``(problem, row)`` weights of the rows, 0 for rows that a problem does not use.
        resample: ``(draw, row)`` how often a draw takes each row; ones for a point fit.
        starts: ``(problem, start, p)`` unconstrained parameters.
        draws: Which draws to fit; None fits all.
        anchor: A pull of each draw towards known parameters, leaves ``(draw, p)``, or None.
        huber: Corner of the Huber loss, None for squared loss.
        linear: Components of the vector in which residuals are affine, given the others: they are solved for, not
            searched (variable projection). If that is all of them, one start is enough. With a Huber loss they are
            searched like the others.
        typical: ``(p,)`` sizes of changes of the parameters that are neither small nor large; None takes the root
            mean square of the starts.
        settings: Steps, tolerance, precision and devices.

    Raises:
        InputError: There is nothing to fit, a draw is not there, or weights are negative or not finite.
        PrecisionError: JAX is in 32 bits, and float32 was not asked for.
    """
    settings = settings or Settings()
    dtype = np.dtype(settings.precision)
    if settings.precision == "float64":
        require_x64("Settings(precision='float64')")
    chosen = np.arange(len(resample)) if draws is None else np.asarray(draws)
    _check(np.asarray(weight), np.asarray(resample), starts, chosen, anchor)
    linear = () if huber is not None else linear
    if len(linear) == starts.shape[2]:  # any point will do
        starts = np.where(np.isfinite(starts[:, :1]), starts[:, :1], 0.0)
    problems, per_fit, size = starts.shape
    devices = Devices(settings.mesh, lane_bytes=dtype.itemsize * np.shape(weight)[1] * (2 * size + 4))
    task = Task(residual, linear, huber, settings.steps, settings.share(dtype), backwards=devices.resident)
    sizes = np.broadcast_to(_typical(starts) if typical is None else typical, (problems, size))
    resample, anchor = jax.tree.map(_padded, (resample, anchor))
    if not devices.resident:  # an accelerator is bound by the rows it reads
        data, weight, resample, sizes = _roomy(data, np.asarray(weight), resample, sizes)
    tables = Tables(_without_junk(data, np.asarray(weight)), weight, resample, anchor, sizes)
    tables = devices.place(jax.tree.map(lambda leaf: _cast(leaf, dtype), tables))
    scouted = settings.follow == "promising" and per_fit > STAY
    first = starts.astype(dtype)
    places = devices.place(padded_starts(first)) if scouted else None

    draw, problem = (i.ravel().astype(np.int32) for i in np.meshgrid(chosen, np.arange(problems), indexing="ij"))
    followed = STAY * group_count(per_fit) if scouted else per_fit
    per_block = max(1, max(BLOCK_CALLS * devices.most, BLOCK_LEAST) // followed)
    blocks = []
    for at in range(0, len(draw), per_block):
        fits = slice(at, at + per_block)
        if scouted:
            lanes = devices.scout(task, tables, (draw[fits], problem[fits]), places, per_fit)
        else:
            vectors = first[problem[fits]].reshape(-1, size)
            lanes = Lanes(np.repeat(draw[fits], per_fit), np.repeat(problem[fits], per_fit), vectors)
        rows = devices.follow(task, tables, lanes, fresh=not scouted)
        blocks.append(_best(unpack(rows.reshape(len(draw[fits]), -1, rows.shape[1]), size)))
    shape = (len(chosen), problems)
    return jax.tree.map(lambda *parts: np.concatenate(parts).reshape(*shape, *parts[0].shape[1:]), *blocks)


def _best(lane: Lane) -> Solution:
    """Pick the best start of each fit. Leaves ``(fit, start, …)`` in, ``(fit, …)`` out.

    A start that was cut short may stand lower than one that finished. It still wins, and the status says so: the
    optimum is not known then.
    """
    failed = ~np.isfinite(lane.value) | (lane.status == Status.NON_FINITE_START)
    value = np.where(failed, np.inf, lane.value)
    one, lowest = np.arange(len(value)), value.argmin(1)
    best, floor = value[one, lowest], lane.floor[one, lowest]
    rounding = floor + 2.0 * np.sqrt(np.where(np.isfinite(best), best, 0.0) * floor)
    same = ~failed & (value <= (best * (1.0 + AGREE) + rounding)[:, None])
    finished = same & np.isin(lane.status, USABLE)
    # Of those that agree, one that has converged; of these the lowest.
    rank = np.where(finished, lane.status, np.where(same, Status.ALL_FAILED, Status.ALL_FAILED + 1))
    at = one, np.where(rank == rank.min(1, keepdims=True), value, np.inf).argmin(1)
    status = np.where(failed.all(1), Status.ALL_FAILED, lane.status[at]).astype(np.int32)
    gradient = np.linalg.norm(lane.gradient[at], axis=-1)
    whole = np.int32
    starts = Ends(lane.vector.copy(), lane.value.copy(), lane.status.astype(whole), lane.steps.astype(whole))
    hessian = lane.hessian[at]
    condition = _condition(hessian)
    return Solution(lane.vector[at], value[at], status, same.mean(1), gradient, condition, hessian, starts)


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


def _without_junk(data: Any, weight: NDArray[np.float64]) -> Any:
    """Data whose rows of weight 0 repeat the problem's first row that counts: what stood there can't spoil a sum.

    A problem without any row, of which an anchor may still make a fit, gets ones.
    """
    counts = weight > 0
    row = np.where(counts, np.arange(weight.shape[1]), counts.argmax(axis=1)[:, None])
    empty = ~counts.any(axis=1)

    def clean(leaf: Any) -> NDArray[Any]:
        kept = np.asarray(leaf)[np.arange(len(row))[:, None], row]
        kept[empty] = 1
        return kept

    return jax.tree.map(clean, data)


def _roomy(
    data: Any, weight: NDArray[Any], resample: Any, sizes: NDArray[Any]
) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Tables with room: problems and rows of weight 0 up to one of few numbers, so that ladders share programs."""
    problems, rows = (n if n == 1 else _few_sizes(n, LEAST_ROOM) for n in weight.shape)
    more = problems - weight.shape[0], rows - weight.shape[1]

    def pad(leaf: Any, *widths: int) -> NDArray[Any]:
        values = np.asarray(leaf)
        return np.pad(values, [(0, w) for w in widths] + [(0, 0)] * (values.ndim - len(widths)))

    data = jax.tree.map(lambda leaf: pad(leaf, *more), data)
    sizes = np.concatenate([sizes, np.ones((more[0], sizes.shape[1]))])
    return data, pad(weight, *more), pad(resample, 0, more[1]), sizes


def _few_sizes(n: int, least: int) -> int:
    """The next of ``least``, 5/4, 3/2, 7/4 and 2 times it, 5/2, …: at most a fifth of it is room, beyond the least."""
    step = max(1 << max((n - 1).bit_length() - 3, 0), 1)
    return max(least, -(-n // step) * step)


def _padded(leaf: Any) -> NDArray[Any]:
    """Filled up to one of few numbers of draws, so that a point fit and its bootstrap share a program."""
    size = LEAST_DRAWS
    while size < len(leaf):
        size *= CALL_STEP
    return np.pad(np.asarray(leaf), [(0, size - len(leaf)), (0, 0)])


def _cast(leaf: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Real numbers in the precision asked for; others as they are."""
    values = np.asarray(leaf)
    return values.astype(dtype) if np.issubdtype(values.dtype, np.floating) else values
