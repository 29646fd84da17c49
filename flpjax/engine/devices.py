"""The devices that lanes run on, how many lanes at a time, and the way there and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from flpjax.engine.gauss_newton import Task, begin, running, unpack
from flpjax.engine.lanes import AXIS, GROUP, STAY, Groups, Lanes, Tables, advance, group_count, scout
from flpjax.engine.settings import Status

CPU_TILE = 32  # lanes that march together on a CPU: few wait for the slowest
CPU_CALL = 256  # lanes of one call on a CPU; the same program serves 1 fit and 10,000
DEVICE_BYTES = 4 << 30  # what one call may take on an accelerator
LEAST_CALL = 1 << 10  # lanes; fewer don't fill an accelerator
CALL_STEP = 4  # calls differ in size by this factor: few sizes, few compiled programs


class Devices:
    """Where lanes run, and how many at a time.

    On a CPU, calls are small, threads make them, and lanes come back to the host between rounds, where those still
    running fill new calls. On an accelerator a call is as wide as memory allows, and its lanes stay on the device until
    the last has ended, in fewer and fewer places.

    Args:
        mesh: The devices; None for all of this process.
        lane_bytes: What a lane takes during a step.

    Attributes:
        most: Lanes of one call.
        resident: Whether lanes stay on the devices.
    """

    def __init__(self, mesh: Mesh | None, lane_bytes: int) -> None:
        devices = np.asarray(jax.local_devices()) if mesh is None else mesh.devices.ravel()
        on_cpu = devices[0].platform == "cpu"
        room = max(DEVICE_BYTES // lane_bytes, LEAST_CALL)
        self.most = (CPU_CALL if on_cpu else 1 << (room.bit_length() - 1)) * devices.size
        self.resident = not on_cpu
        self._least = LEAST_CALL * devices.size
        self._tile = CPU_TILE if on_cpu else None
        self._mesh = Mesh(devices, (AXIS,)) if mesh is not None or devices.size > 1 else None
        self._across_hosts = len({device.process_index for device in devices}) > 1
        # One device of a CPU uses one core a call; two calls of an accelerator hide the transfers. Calls that gather
        # over hosts must come in the same order everywhere: one at a time.
        cores = (os.cpu_count() or 1) if on_cpu and devices.size == 1 else 2
        self._threads = 1 if self._across_hosts else cores

    def place(self, numbers: Any) -> Any:
        """A copy on every device."""
        return jax.tree.map(lambda leaf: self._put(np.asarray(leaf), PartitionSpec()), numbers)

    def scout(
        self, task: Task, tables: Tables, fits: tuple[NDArray[Any], NDArray[Any]], starts: Any, per_fit: int
    ) -> Lanes:
        """The lanes that :func:`flpjax.engine.lanes.scout` leaves of fits, as many of each.

        Args:
            task: What is minimised.
            tables: On the devices.
            fits: Draw and problem of each fit, ``(fit,)``.
            starts: ``(problem, place, p)``, on the devices; see :func:`flpjax.engine.lanes.padded_starts`.
            per_fit: How many starts there are.
        """
        count = group_count(per_fit)
        draw, problem = (np.repeat(leaf, count) for leaf in fits)
        first = np.tile(np.arange(count, dtype=np.int32), len(fits[0]))
        groups = Groups(draw, problem, first, np.full_like(first, count))
        none_left = _take(groups, slice(1))._replace(first=np.array([per_fit], np.int32))
        most = max(self.most // GROUP, 1)

        def call(own: Groups) -> NDArray[Any]:
            full = self._filled(own, none_left, most)
            return self._get(scout(task, self._mesh, self._tile, tables, full, starts))[: STAY * len(own.draw)]

        return Lanes(np.repeat(draw, STAY), np.repeat(problem, STAY), self._in_calls(call, groups, most))

    def follow(self, task: Task, tables: Tables, lanes: Lanes, *, fresh: bool) -> NDArray[Any]:
        """Rows ``(lane, width)`` of lanes that have run to their ends, on the host.

        Args:
            task: What is minimised.
            tables: On the devices.
            lanes: Where they stand; of fresh ones, ``rows`` are the starts ``(lane, p)``.
            fresh: Whether they have not moved.
        """
        program = partial(advance, task, self._mesh, self._tile, tables)
        flags = {True: self.place(np.asarray(True)), False: self.place(np.asarray(False))}
        size = tables.typical.shape[1]
        if self.resident:
            return self._in_calls(lambda own: self._to_the_end(program, flags, own, size, fresh), lanes, self.most)
        lanes = lanes._replace(rows=begin(lanes.rows)) if fresh else lanes
        ended = _take(lanes, slice(1))._replace(rows=lanes.rows[:1].copy())
        unpack(ended.rows, size).status[:] = Status.CONVERGED

        def call(own: Lanes) -> NDArray[Any]:
            return self._get(program(self._filled(own, ended, self.most), flags[fresh]))[: len(own.draw)]

        left = np.arange(len(lanes.draw))
        while len(left):
            moved = self._in_calls(call, _take(lanes, left), self.most)
            lanes.rows[left] = moved
            left, fresh = left[running(moved, size)], False
        return lanes.rows

    def _to_the_end(
        self, program: Callable[..., Array], flags: dict[bool, Array], own: Lanes, size: int, fresh: bool
    ) -> NDArray[Any]:
        """All rounds of one call's lanes, on the devices."""
        failing = _take(own, slice(1))._replace(rows=np.full_like(own.rows[:1], np.nan))  # ends at once
        state = self._filled(own, failing, self._size(len(own.draw)))
        state = state._replace(rows=_begin(state.rows)) if fresh else state
        done, place = state.rows, None
        while True:
            rows, fresh = program(state, flags[fresh]), False
            done = rows if place is None else _scatter(done, place, rows)
            here = self._get(_status(rows, size))
            left = np.flatnonzero(here == Status.RUNNING)
            if not len(left):
                return self._get(done)[: len(own.draw)]
            state, room = state._replace(rows=rows), self._size(len(left))
            if room < len(here):  # filled up with some lane that has ended
                spare = np.full(room - len(left), np.argmax(here != Status.RUNNING))
                chosen = self._share(np.concatenate([left, spare]))
                place = chosen if place is None else _pick(place, chosen)
                state = _pick(state, chosen)

    def _in_calls(self, call: Callable[[Any], NDArray[Any]], items: Any, most: int) -> NDArray[Any]:
        """``call`` on at most so many items ``(item, …)`` at a time; the rows that it gives, joined."""
        parts = [_take(items, slice(at, at + most)) for at in range(0, len(items.draw), most)]
        if self._threads == 1 or len(parts) == 1:
            return np.concatenate([call(part) for part in parts])
        with ThreadPoolExecutor(self._threads) as pool:
            return np.concatenate(list(pool.map(call, parts)))

    def _size(self, count: int) -> int:
        """Lanes of a call that holds ``count``."""
        size = self.most
        while size // CALL_STEP >= max(count, self._least):
            size //= CALL_STEP
        return size

    def _filled(self, items: Any, filler: Any, size: int) -> Any:
        """Items filled up to ``size`` and spread over the devices."""
        spare = size - len(items.draw)
        return jax.tree.map(
            lambda leaf, fill: self._share(np.concatenate([leaf, np.repeat(fill, spare, 0)]) if spare else leaf),
            items,
            filler,
        )

    def _share(self, leaf: NDArray[Any]) -> Any:
        return self._put(leaf, PartitionSpec(AXIS))

    def _put(self, leaf: NDArray[Any], spec: PartitionSpec) -> Any:
        if self._mesh is None:
            return jax.device_put(leaf) if self.resident or spec == PartitionSpec() else leaf
        sharding = NamedSharding(self._mesh, spec)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    def _get(self, sharded: Array) -> NDArray[Any]:
        """On the host."""
        return np.asarray(multihost_utils.process_allgather(sharded, tiled=True) if self._across_hosts else sharded)


def _take(items: Any, index: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], items)


_begin = jax.jit(begin)


@jax.jit
def _pick(items: Any, chosen: Array) -> Any:
    return jax.tree.map(lambda leaf: leaf[chosen], items)


@jax.jit
def _scatter(done: Array, place: Array, rows: Array) -> Array:
    return done.at[place].set(rows)


@partial(jax.jit, static_argnums=1)
def _status(rows: Array, size: int) -> Array:
    return unpack(rows, size).status
