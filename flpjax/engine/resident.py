"""Fits whose lanes stay on an accelerator from their starts to the choice of the best: only answers come back.

Every device has a queue of its own, so that none waits for another. A call is as wide as memory allows; lanes that have
ended give up their places as soon as the rest fits into a narrower program.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.chosen import Chosen, choose
from flpjax.engine.devices import Devices, joined
from flpjax.engine.gauss_newton import Task, begin, unpack
from flpjax.engine.lanes import GROUP, SURVIVORS, Lanes, Starts, Tables, advance, filled, groups_of, scout, take
from flpjax.engine.settings import Status

DEVICE_BYTES = 4 << 30  # what one call may take
LEAST_CALL = 1 << 11  # lanes; fewer don't fill an accelerator
CALL_STEP = 4  # calls differ in size by this factor: few sizes, few compiled programs
AHEAD = 2  # blocks that a device is given at a time: one computes while another's answer travels
CHOSEN_HERE = 1 << 15  # rows up to which the host chooses: a program for every shape would take longer to compile


class Resident:
    """Blocks of fits, each on one device to its end.

    Args:
        task: What is minimised.
        devices: Where.
        tables: All numbers that lanes refer to.
        starts: Of every problem.
        most: Lanes of one call; None takes what memory allows.
        tile: Lanes that march together; None takes all of a call.
    """

    def __init__(
        self,
        task: Task,
        devices: Devices,
        tables: Tables,
        starts: Starts,
        *,
        most: int | None = None,
        tile: int | None = None,
    ) -> None:
        rows, bytes_ = np.shape(tables.weight)[1], tables.weight.dtype.itemsize
        # As many lanes as the memory holds of what one takes in a step.
        lanes_that_fit = max(DEVICE_BYTES // (bytes_ * rows * (2 * starts.size + 4)), LEAST_CALL)
        self.most = most or 1 << (lanes_that_fit.bit_length() - 1)
        self._task, self._starts, self._own, self._tile = task, starts, devices.own, tile
        self._tables, self._places = devices.place(tables), devices.place(starts.places())
        self._flags = {flag: devices.place(np.asarray(flag)) for flag in (True, False)}

    def solve(self, draw: NDArray[np.int32], problem: NDArray[np.int32]) -> Chosen:
        """The best start of fits ``(fit,)``; every device takes as many of them."""
        queues = [ThreadPoolExecutor(AHEAD) for _ in self._own]
        cuts = np.linspace(0, len(draw), len(self._own) + 1).astype(int)
        try:
            waiting = [
                queue.submit(self._block, device, draw[fits], problem[fits])
                for device, queue in enumerate(queues)
                for fits in self._blocks(cuts[device], cuts[device + 1])
            ]
            return joined([block.result() for block in waiting])
        finally:
            for queue in queues:
                queue.shutdown(cancel_futures=True)

    def _blocks(self, first: int, last: int) -> list[slice]:
        """Even parts of a device's fits, of no more lanes than one call takes, unless a fit has more."""
        most = max(self.most // self._starts.followed, 1)
        cuts = np.linspace(first, last, max(-(-(last - first) // most), 1) + 1).astype(int)
        return [slice(a, b) for a, b in itertools.pairwise(cuts) if b > a]

    def _block(self, device: int, draw: NDArray[np.int32], problem: NDArray[np.int32]) -> Chosen:
        """All rounds of some fits on one device."""
        starts, count = self._starts, len(draw) * self._starts.followed
        place = None if starts.scouted else np.tile(np.arange(starts.per_fit, dtype=np.int32), len(draw))
        lanes = Lanes(np.repeat(draw, starts.followed), np.repeat(problem, starts.followed), place)
        if count > self.most:  # of one fit
            cuts = range(0, count, self.most)
            parts = [take(lanes, slice(a, a + self.most)) for a in cuts]
            ends = [np.asarray(self._follow(device, part))[: len(part.draw)] for part in parts]
            return choose(np.concatenate(ends).reshape(1, count, -1), starts.size)
        scouted = self._scouted(device, draw, problem, self._size(count)) if starts.scouted else None
        rows = self._follow(device, lanes, scouted)
        if count <= CHOSEN_HERE:
            return choose(np.asarray(rows)[:count].reshape(len(draw), starts.followed, -1), starts.size)
        return jax.tree.map(np.asarray, _choose(rows, len(draw), starts.followed, starts.size))

    def _scouted(self, device: int, draw: NDArray[np.int32], problem: NDArray[np.int32], lane_count: int) -> Array:
        """Rows ``(lane_count, width)`` of the promising starts, on the device; those of no lane have failed."""
        groups, none_left = groups_of(draw, problem, self._starts.per_fit)
        most = max(self.most // GROUP, 1)
        places = self._places[device]
        store = None
        for at in range(0, len(groups.draw), most):
            own = filled(take(groups, slice(at, at + most)), none_left, most)
            rows = scout(self._task, self._tile, self._tables[device], self._put(own, device), places)
            if lane_count == len(rows):
                return rows
            store = _failed(rows, lane_count) if store is None else store
            store = _written(store, rows, self._put(np.int32(SURVIVORS * at), device))
        assert store is not None  # there is a fit, and it has a group
        return store

    def _follow(self, device: int, lanes: Lanes, scouted: Array | None = None) -> Array:
        """Rows ``(lane_count, width)`` of lanes that have run to their ends, on the device, and filler behind them.

        Args:
            device: Which.
            lanes: On the host, with the place of its start in ``rows``, or None.
            scouted: ``(lane_count, width)`` where they stand; None begins at their starts.
        """
        size, lane_count = self._starts.size, self._size(len(lanes.draw))
        fresh = scouted is None
        # What fills the call up starts where there is no start, and ends at once.
        nowhere = take(lanes, slice(1))._replace(rows=np.array([self._starts.per_fit], np.int32) if fresh else None)
        state = self._put(filled(lanes, nowhere, lane_count), device)
        state = state._replace(rows=_begun(self._places[device], state.problem, state.rows) if fresh else scouted)
        done, place = state.rows, None
        while True:
            rows = advance(self._task, self._tile, self._tables[device], state, self._flags[fresh][device])
            fresh = False
            done = rows if place is None else _scattered(done, place, rows)
            status = np.asarray(_status(rows, size))
            left = np.flatnonzero(status == Status.RUNNING)
            if not len(left):
                return done
            state, lane_count = state._replace(rows=rows), self._size(len(left))
            if lane_count < len(status):  # filled up with some lane that has ended
                spare = np.full(lane_count - len(left), np.argmax(status != Status.RUNNING))
                kept = self._put(np.concatenate([left, spare]), device)
                place = kept if place is None else _picked(place, kept)
                state = _picked(state, kept)

    def _size(self, count: int) -> int:
        """Lanes of a call that holds ``count``."""
        size = self.most
        while size // CALL_STEP >= max(count, LEAST_CALL):
            size //= CALL_STEP
        return size

    def _put(self, items: Any, device: int) -> Any:
        return jax.device_put(items, self._own[device])


@jax.jit
def _begun(starts: Array, problem: Array, place: Array) -> Array:
    """Rows ``(lane, width)`` at starts ``(problem, place, p)``."""
    return begin(starts[problem, place])


@partial(jax.jit, static_argnums=1)
def _failed(rows: Array, lane_count: int) -> Array:
    """Rows ``(lane_count, width)``, as wide as others, of lanes whose starts are no numbers."""
    return jnp.full((lane_count, rows.shape[1]), jnp.nan, rows.dtype).at[:, -2].set(float(Status.NON_FINITE_START))


@partial(jax.jit, donate_argnums=0)
def _written(store: Array, rows: Array, at: Array) -> Array:
    """Rows in their place; the last ones may lie beyond the end, where only filler is cut off."""
    spare = jnp.concatenate([store, jnp.zeros_like(rows)])
    return lax.dynamic_update_slice_in_dim(spare, rows, at, 0)[: len(store)]


@jax.jit
def _picked(items: Any, kept: Array) -> Any:
    return jax.tree.map(lambda leaf: leaf[kept], items)


@jax.jit
def _scattered(done: Array, place: Array, rows: Array) -> Array:
    return done.at[place].set(rows)


@partial(jax.jit, static_argnums=1)
def _status(rows: Array, size: int) -> Array:
    return unpack(rows, size).status


@partial(jax.jit, static_argnums=(1, 2, 3))
def _choose(rows: Array, fits: int, followed: int, size: int) -> Chosen:
    """The best starts, of rows with filler behind them."""
    return choose(rows[: fits * followed].reshape(fits, followed, -1), size)
