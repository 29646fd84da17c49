"""The most probable parameters of many fits: fits that end make room for others, so that no call waits for a few."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.prospects import Standing
from flpjax.fitting.averaging.rivals import Rivals
from flpjax.fitting.averaging.sheet import Sheet
from flpjax.fitting.averaging.steps import EACH, LANES, STIFF, STIFFER, TOLERANCE, Climb, Problem, advance, begun
from flpjax.fitting.averaging.whitening import Covariances
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Asked = Callable[[Indices], Covariances]
"""Which fits → their covariances, leaves ``(fit, …)``."""
STEPS = 100  # a few fits creep along a direction that data hardly tell; the others have long ended


def climb(
    law: Law,
    space: Space,
    sheet: Sheet,
    output: Indices,
    covariances: Asked,
    stand: Standing,
    which: Indices,
    rivals: Rivals,
) -> Standing:
    """Find the most probable parameters of fits. Those without a chance against rivals are given up.

    Args:
        law: The formula, without its discrepancy.
        space: Of the residuals.
        sheet: The rows of all outputs.
        output: ``(fit,)`` whose rows.
        covariances: Of some of the fits: asked for few at a time, since all would fill the memory.
        stand: Where all fits begin.
        which: Those that climb.
        rivals: Which fits compete.

    Returns:
        Where all fits stand then.
    """
    end = Standing(*(leaf.copy() for leaf in stand))
    waiting = _Waiting([which[at : at + 2 * LANES] for at in range(0, len(which), 2 * LANES)])
    workers = min(os.cpu_count() or 1, -(-len(which) // LANES))
    if not workers:
        return end

    def work(_: int) -> None:
        block = _Block(law, space, sheet)
        while True:
            block.fill(waiting, output, covariances, stand)
            if not block.busy:
                return
            block.advance()
            block.put_away(end, rivals)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return end


class _Waiting:
    """Fits that nobody has taken."""

    def __init__(self, parts: Sequence[Indices]) -> None:
        self._parts, self._lock = iter(parts), Lock()

    def next(self) -> Indices | None:
        """The next of them; None if there are none."""
        with self._lock:
            return next(self._parts, None)


class _Block:
    """The lanes of one call."""

    def __init__(self, law: Law, space: Space, sheet: Sheet) -> None:
        self._law, self._space, self._sheet = law, space, sheet
        rows, cells = sheet.basis.shape[1:]
        self._problem = Problem(
            jax.tree.map(lambda leaf: np.ones((*leaf.shape[1:], LANES)), sheet.x),
            np.zeros((rows, LANES)),
            np.zeros((rows, LANES)),
            np.zeros((cells, rows, LANES)),
            np.zeros((sheet.runs, LANES)),
        )
        self._climb = begun(law, LANES)
        self._fit = np.full(LANES, -1, np.intp)  # which each lane holds; -1 of none
        self._calls = np.zeros(LANES, np.intp)
        self._next = self._own = np.zeros(0, np.intp)
        self._covariances: Covariances | None = None

    @property
    def busy(self) -> bool:
        """Whether a lane holds a fit."""
        return bool((self._fit >= 0).any())

    def fill(self, waiting: _Waiting, output: Indices, covariances: Asked, stand: Standing) -> None:
        """Give lanes that hold none the fits that wait."""
        while (empty := np.flatnonzero(self._fit < 0)).size:
            if not self._next.size:
                fits = waiting.next()
                if fits is None:
                    return
                self._next, self._own, self._covariances = fits, np.arange(len(fits)), covariances(fits)
            fits, self._next = self._next[: len(empty)], self._next[len(empty) :]
            own, self._own = self._own[: len(empty)], self._own[len(empty) :]
            self._put(empty[: len(fits)], fits, own, output[fits], stand)

    def _put(self, lane: Indices, fit: Indices, own: Indices, output: Indices, stand: Standing) -> None:
        assert self._covariances is not None
        known, sheet, problem, climb = self._covariances, self._sheet, self._problem, self._climb

        def into(whole: NDArray[Any], part: NDArray[Any]) -> None:
            whole[..., lane] = np.moveaxis(part, 0, -1)

        jax.tree.map(lambda whole, leaf: into(whole, leaf[output]), problem.x, sheet.x)
        into(problem.y, sheet.y[output])
        into(problem.root, known.root[own])
        into(problem.away, known.away[own])
        into(problem.effect, known.effect[own])
        for whole, leaf in zip(climb, stand, strict=False):
            into(whole, leaf[fit])
        climb.damping[lane], climb.stiffer[lane] = STIFF, STIFFER
        self._fit[lane], self._calls[lane] = fit, 0

    def advance(self) -> None:
        """Let all of them step."""
        new = advance(self._law, self._space, self._sheet.places, self._problem, self._climb)
        self._climb = Climb(*(np.array(leaf) for leaf in new))
        self._calls += 1

    def put_away(self, end: Standing, rivals: Rivals) -> None:
        """Write down where fits ended."""
        climb = self._climb
        over = ~(climb.gain >= TOLERANCE) | (self._calls * EACH >= STEPS)
        lane = np.flatnonzero(self._fit >= 0)
        fit = self._fit[lane]
        hessian = np.moveaxis(climb.hessian[..., lane], -1, 0)
        lost = rivals.lost(fit, climb.value[lane], hessian, climb.gain[lane])
        lane = lane[over[lane] | lost]
        fit = self._fit[lane]
        for whole, leaf in zip(end, climb, strict=False):
            whole[fit] = np.moveaxis(leaf[..., lane], -1, 0)
        self._fit[lane] = -1
        self._climb.gain[lane] = 0.0
