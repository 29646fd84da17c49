"""The most probable parameters of many fits: fits that end make room for others, so that no call waits for a few."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.rivals import Rivals
from flpjax.fitting.averaging.sheet import Sheet
from flpjax.fitting.averaging.steps import EACH, LANES, STIFF, STIFFER, TOLERANCE, Climb, Problem, advance, begun
from flpjax.fitting.averaging.whitening import Whitened
from flpjax.laws.law import Law, Space

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Covariances = Callable[[Indices], Whitened]
"""Which fits → their covariances, leaves ``(fit, …)``."""
STEPS = 100  # a few fits creep along a direction that data hardly tell; the others have long ended
ENOUGH = 1e-3  # of the log density: the gain at which a climb has converged


class End(NamedTuple):
    """Where climbs ended."""

    theta: Floats  # (fit, p)
    value: Floats  # (fit,) minus the log density but for constants
    gradient: Floats  # (fit, p)
    hessian: Floats  # (fit, p, p)
    gain: Floats  # (fit,) of the last step that would have been taken
    log_det: Floats  # (fit,) of the covariance of the rows seen


def climb(
    law: Law,
    space: Space,
    sheet: Sheet,
    output: Indices,
    covariances: Covariances,
    theta: Floats,
    rivals: Rivals,
) -> End:
    """Find the most probable parameters of each fit. Those without a chance against rivals are given up.

    Args:
        law: The formula, without its discrepancy.
        space: Of the residuals.
        sheet: The rows of all outputs.
        output: ``(fit,)`` whose rows.
        covariances: Of some of the fits: asked for few at a time, since all would fill the memory.
        theta: ``(fit, p)`` where to begin.
        rivals: Which fits compete.
    """
    count, p = theta.shape
    end = End(theta.copy(), np.zeros(count), np.zeros((count, p)), np.zeros((count, p, p)), *np.zeros((2, count)))
    waiting = _Waiting(iter(range(0, count, 2 * LANES)))
    workers = min(os.cpu_count() or 1, -(-count // LANES))

    def work(_: int) -> None:
        block = _Block(law, space, sheet)
        while True:
            block.fill(waiting, output, covariances, theta, end)
            if not block.busy:
                return
            block.advance()
            block.put_away(end, rivals)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return end


class _Waiting:
    """Where fits begin that nobody has taken."""

    def __init__(self, starts: Iterator[int]) -> None:
        self._starts, self._lock = starts, Lock()

    def next(self) -> int | None:
        """The first of the next fits; None if there are none."""
        with self._lock:
            return next(self._starts, None)


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
        self._next = np.zeros(0, np.intp)
        self._whitened: Whitened | None = None

    @property
    def busy(self) -> bool:
        """Whether a lane holds a fit."""
        return bool((self._fit >= 0).any())

    def fill(
        self,
        waiting: _Waiting,
        output: Indices,
        covariances: Covariances,
        theta: Floats,
        end: End,
    ) -> None:
        """Give lanes that hold none the fits that wait."""
        while (empty := np.flatnonzero(self._fit < 0)).size:
            if not self._next.size:
                at = waiting.next()
                if at is None:
                    return
                self._next = np.arange(at, min(at + 2 * LANES, len(output)))
                self._first = at
                self._whitened = covariances(self._next)
                end.log_det[self._next] = self._whitened.log_det
            fits, self._next = self._next[: len(empty)], self._next[len(empty) :]
            self._put(empty[: len(fits)], fits, output[fits], theta[fits])

    def _put(self, lane: Indices, fit: Indices, output: Indices, theta: Floats) -> None:
        assert self._whitened is not None
        known, sheet, problem, climb = self._whitened, self._sheet, self._problem, self._climb
        own = fit - self._first

        def into(whole: NDArray[Any], part: NDArray[Any]) -> None:
            whole[..., lane] = np.moveaxis(part, 0, -1)

        jax.tree.map(lambda whole, leaf: into(whole, leaf[output]), problem.x, sheet.x)
        into(problem.y, sheet.y[output])
        into(problem.root, np.sqrt(known.inverse[own]))
        into(problem.away, known.away[own])
        into(problem.effect, known.effect[own])
        into(climb.theta, theta)
        climb.value[lane], climb.gain[lane], climb.damping[lane], climb.stiffer[lane] = np.inf, np.inf, STIFF, STIFFER
        climb.gradient[:, lane] = 0.0
        climb.hessian[:, :, lane] = np.eye(theta.shape[1])[..., None]
        self._fit[lane], self._calls[lane] = fit, 0

    def advance(self) -> None:
        """Let all of them step."""
        new = advance(self._law, self._space, self._sheet.places, self._problem, self._climb)
        self._climb = Climb(*(np.array(leaf) for leaf in new))
        self._calls += 1

    def put_away(self, end: End, rivals: Rivals) -> None:
        """Write down where fits ended."""
        climb = self._climb
        over = ~(climb.gain >= TOLERANCE) | (self._calls * EACH >= STEPS)
        lane = np.flatnonzero(self._fit >= 0)
        fit = self._fit[lane]
        lost = rivals.lost(fit, climb.value[lane], np.moveaxis(climb.hessian[..., lane], -1, 0), end.log_det[fit])
        lane = lane[over[lane] | lost]
        fit = self._fit[lane]
        ends = climb.theta, climb.value, climb.gradient, climb.hessian, climb.gain
        for whole, leaf in zip(end[: len(ends)], ends, strict=True):
            whole[fit] = np.moveaxis(leaf[..., lane], -1, 0)
        self._fit[lane] = -1
        self._climb.gain[lane] = 0.0
