"""Many fits as one batch: draws × problems × starts, in chunks of one compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.gauss_newton import Anchor, Lane, Residual, Settings, descend
from flpjax.engine.status import USABLE, Status

CPU_TILE = 16  # lanes that stay in a CPU's cache: measured 4 times faster than one vmap over thousands
CPU_CHUNK = 128  # lanes of one call on a CPU; the same program serves 1 fit and 10,000
DEVICE_BYTES = 2 << 30  # what a chunk may take on an accelerator
AGREE = 1e-6  # starts whose objectives differ by less, relatively, found the same optimum


class Solution(NamedTuple):
    """The best start of every problem under every draw's weights."""

    vector: NDArray[np.float64]  # (draw, problem, p)
    value: NDArray[np.float64]  # (draw, problem)
    status: NDArray[np.int32]  # (draw, problem) a Status
    agree: NDArray[np.float64]  # (draw, problem) share of starts that found the same optimum
    condition: NDArray[np.float64]  # (draw, problem) of the scaled Gauss-Newton Hessian
    starts: Lane  # (draw, problem, start, …) where every start ended


def solve(
    residual: Residual,
    data: Any,
    weight: Array,
    resample: NDArray[np.float64],
    starts: NDArray[np.float64],
    *,
    draws: Sequence[int] | None = None,
    anchor: Anchor | None = None,
    huber: float | None = None,
    settings: Settings | None = None,
) -> Solution:
    """Fit every problem, under every draw's row weights, from every start.

    Resampling is a matter of weights: no draw copies the data. Neither the number of draws nor that of starts is part
    of the compiled program.

    Args:
        residual: Static function ``(vector (p,), data of one problem) -> (row,)``.
        data: Pytree of all problems, leaves ``(problem, row, …)``.
        weight: ``(problem, row)`` weights of the rows, 0 for rows that a problem does not use.
        resample: ``(draw, row)`` how often a draw takes each row; ones for a point fit.
        starts: ``(problem, start, p)`` unconstrained parameters.
        draws: Which draws to fit; None fits all.
        anchor: A pull of each draw towards known parameters, leaves ``(draw, p)``, or None.
        huber: Corner of the Huber loss, None for squared loss.
        settings: Step limit and tolerance.
    """
    chosen = np.arange(len(resample)) if draws is None else np.asarray(draws)
    problems, per_problem, size = starts.shape
    shape = (len(chosen), problems, per_problem)
    draw, problem, start = (i.ravel() for i in np.indices(shape))
    on_cpu = jax.default_backend() == "cpu"
    most = CPU_CHUNK if on_cpu else max(1, DEVICE_BYTES // (8 * resample.shape[1] * (size + 8)))
    chunk = most if on_cpu else min(most, 1 << (len(draw) - 1).bit_length())  # few sizes, few compiled programs
    tile = CPU_TILE if on_cpu else chunk
    ended = []
    for at in range(0, len(draw), chunk):
        part = slice(at, at + chunk)
        spare = (0, chunk - len(draw[part]))  # the last chunk is filled with copies that are thrown away
        of_draw, of_problem = (np.pad(i[part], spare, "edge") for i in (chosen[draw], problem))
        first = np.pad(starts[problem[part], start[part]], (spare, (0, 0)), "edge")
        pull = None if anchor is None else jax.tree.map(lambda leaf, at=of_draw: leaf[at], anchor)
        lanes = (of_problem, resample[of_draw], first)
        lane = _chunk(residual, huber, settings or Settings(), tile, data, weight, lanes, pull)
        ended.append(jax.tree.map(lambda leaf, used=chunk - spare[1]: np.asarray(leaf)[:used], lane))
    return _best(jax.tree.map(lambda *parts: np.concatenate(parts).reshape(*shape, *parts[0].shape[1:]), *ended))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _chunk(
    residual: Residual,
    huber: float | None,
    settings: Settings,
    tile: int,
    data: Any,
    weight: Array,
    lanes: tuple[Array, Array, Array],
    anchor: Anchor | None,
) -> Lane:
    """Solve lanes of (problem ``(chunk,)``, row counts ``(chunk, row)``, start ``(chunk, p)``), tile by tile."""

    def solve_one(problem: Array, count: Array, start: Array, pull: Anchor | None) -> Lane:
        own = jax.tree.map(lambda leaf: leaf[problem], data)
        return descend(residual, own, weight[problem] * count, start, pull, huber, settings)

    tiled = jax.tree.map(lambda leaf: leaf.reshape(-1, tile, *leaf.shape[1:]), (*lanes, anchor))
    ended = lax.map(lambda args: jax.vmap(solve_one)(*args), tiled)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), ended)


def _best(lanes: Lane) -> Solution:
    """Pick each problem's best start.

    A start that was cut short may stand lower than one that finished. It still wins, and the status says so: the
    optimum is not known then.
    """
    status, value = np.asarray(lanes.status), np.asarray(lanes.value)
    failed = ~np.isfinite(value) | (status == Status.NON_FINITE_START)
    value = np.where(failed, np.inf, value)
    order = value.argmin(-1)

    def chosen(leaf: NDArray) -> NDArray:
        pick = order.reshape(*order.shape, *[1] * (leaf.ndim - order.ndim))
        return np.take_along_axis(leaf, pick, axis=order.ndim).squeeze(order.ndim)

    best = chosen(value)
    same = ~failed & (value <= (best * (1.0 + AGREE) + chosen(np.asarray(lanes.floor)))[..., None])
    finished = same & np.isin(status, USABLE)
    ended = np.where(finished.any(-1), np.where(finished, status, Status.ALL_FAILED).min(-1), chosen(status))
    ended = np.where(failed.all(-1), Status.ALL_FAILED, ended)
    eigenvalues = np.linalg.eigvalsh(np.nan_to_num(chosen(np.asarray(lanes.hessian))))
    condition = eigenvalues[..., -1] / np.maximum(eigenvalues[..., 0], np.finfo(value.dtype).tiny)
    return Solution(chosen(np.asarray(lanes.vector)), best, ended, same.mean(-1), condition, lanes)
