"""Fits whose lanes come back to the host between rounds, where those still running fill new calls: for CPUs."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.engine.chosen import Chosen, choose
from flpjax.engine.devices import Devices, joined
from flpjax.engine.gauss_newton import Task, begin, running, unpack
from flpjax.engine.lanes import GROUP, SURVIVORS, Groups, Lanes, Starts, Tables, advance, filled, groups_of, scout, take
from flpjax.engine.settings import Status

CPU_TILE = 32  # lanes that march together: few wait for the slowest
CPU_CALL = 256  # lanes of one call; the same program serves 1 fit and 10,000
BLOCK = 1 << 15  # lanes on the host at a time: enough for all threads


class HostRounds:
    """Calls are small, and threads make them.

    Args:
        task: What is minimised.
        devices: Where: the first.
        tables: All numbers that lanes refer to.
        starts: Of every problem.
    """

    def __init__(self, task: Task, devices: Devices, tables: Tables, starts: Starts) -> None:
        self._task, self._starts, self._own = task, starts, devices.own[0]
        self._tables = devices.place(tables)[0]
        self._places = devices.place(starts.places())[0] if starts.scouted else None
        self._flags = {flag: devices.place(np.asarray(flag))[0] for flag in (True, False)}
        self._threads = os.cpu_count() or 1  # a call uses one core

    def solve(self, draw: NDArray[np.int32], problem: NDArray[np.int32]) -> Chosen:
        """The best start of fits ``(fit,)``."""
        per_block = max(1, BLOCK // self._starts.followed)
        blocks = [slice(at, at + per_block) for at in range(0, len(draw), per_block)]
        return joined([self._block(draw[fits], problem[fits]) for fits in blocks])

    def _block(self, draw: NDArray[np.int32], problem: NDArray[np.int32]) -> Chosen:
        followed = self._starts.followed
        lanes = Lanes(np.repeat(draw, followed), np.repeat(problem, followed), np.empty(0))
        rows = self._scouted(draw, problem) if self._starts.scouted else self._starts.fresh(problem)
        rows = self._follow(lanes._replace(rows=rows), fresh=not self._starts.scouted)
        return choose(rows.reshape(len(draw), followed, -1), self._starts.size)

    def _scouted(self, draw: NDArray[np.int32], problem: NDArray[np.int32]) -> NDArray[Any]:
        """Rows ``(lane, width)`` of the promising starts."""
        groups, none_left = groups_of(draw, problem, self._starts.per_fit)
        most = max(CPU_CALL // GROUP, 1)

        def call(own: Groups) -> NDArray[Any]:
            full = self._put(filled(own, none_left, most))
            rows = scout(self._task, CPU_TILE, self._tables, full, self._places)
            return np.asarray(rows)[: SURVIVORS * len(own.draw)]

        return self._in_calls(call, groups, most)

    def _follow(self, lanes: Lanes, *, fresh: bool) -> NDArray[Any]:
        """Rows of lanes that have run to their ends; of fresh ones, ``rows`` are the starts ``(lane, p)``."""
        size = self._starts.size
        lanes = lanes._replace(rows=begin(lanes.rows)) if fresh else lanes
        ended = take(lanes, slice(1))._replace(rows=lanes.rows[:1].copy())
        unpack(ended.rows, size).status[:] = Status.CONVERGED

        def call(own: Lanes) -> NDArray[Any]:
            full = self._put(filled(own, ended, CPU_CALL))
            rows = advance(self._task, CPU_TILE, self._tables, full, self._flags[fresh])
            return np.asarray(rows)[: len(own.draw)]

        left = np.arange(len(lanes.draw))
        while len(left):
            moved = self._in_calls(call, take(lanes, left), CPU_CALL)
            lanes.rows[left] = moved
            left, fresh = left[running(moved, size)], False
        return lanes.rows

    def _put(self, items: Any) -> Any:
        """On the device, unless it is the only one, to which calls send what they are given."""
        return items if self._own is None else jax.device_put(items, self._own)

    def _in_calls(self, call: Callable[[Any], NDArray[Any]], items: Any, most: int) -> NDArray[Any]:
        """``call`` on at most so many items ``(item, …)`` at a time; the rows that it gives, joined."""
        parts = [take(items, slice(at, at + most)) for at in range(0, len(items.draw), most)]
        if self._threads == 1 or len(parts) == 1:
            return np.concatenate([call(part) for part in parts])
        with ThreadPoolExecutor(self._threads) as pool:
            return np.concatenate(list(pool.map(call, parts)))
