"""The devices that fits run on, and this process's share of them where several processes fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Devices:
    """Devices of this process, each of which takes fits of its own; none waits for another.

    Attributes:
        own: Those of this process; None stands for the only one there is. CPUs of one process are the same cores, all
            of which serve the first.
        processes: Indices of the processes that have a share of the fits.
    """

    own: tuple[jax.Device | None, ...]
    processes: tuple[int, ...]

    @classmethod
    def of(cls, mesh: Mesh | None) -> Devices:
        """Those of a mesh; without one, all of this process."""
        if mesh is None:
            local = jax.local_devices()
            several = len(local) > 1 and local[0].platform != "cpu"
            return cls(tuple(local) if several else (None,), (jax.process_index(),))
        devices = mesh.devices.ravel().tolist()
        mine = [d for d in devices if d.process_index == jax.process_index()] or jax.local_devices()[:1]
        own = mine[:1] if mine[0].platform == "cpu" else mine
        return cls(tuple(own), tuple(sorted({d.process_index for d in devices})))

    @property
    def on_cpu(self) -> bool:
        """Whether they are CPUs."""
        return (self.own[0] or jax.local_devices()[0]).platform == "cpu"

    def place(self, numbers: T) -> list[T]:
        """A copy of a pytree for each device."""
        return [jax.device_put(numbers, device) for device in self.own]

    def share(self, fits: int) -> slice:
        """Which of all fits are this process's; the last where there are fewer fits than processes, so none has none.

        Args:
            fits: How many there are.
        """
        if self.processes == (jax.process_index(),):
            return slice(0, fits)
        each = -(-fits // len(self.processes))
        here = jax.process_index()
        first = each * self.processes.index(here) if here in self.processes else fits
        return slice(min(first, fits - 1), max(min(first + each, fits), min(first, fits - 1) + 1))

    def gather(self, found: T, fits: int) -> T:
        """What all processes found of their shares, in every process: leaves ``(share, …)`` in, ``(fit, …)`` out.

        Args:
            found: A pytree of arrays.
            fits: How many there are in all.
        """
        if self.processes == (jax.process_index(),):
            return found
        each = -(-fits // len(self.processes))

        def whole(leaf: NDArray[Any]) -> NDArray[Any]:
            filled = np.concatenate([leaf, np.repeat(leaf[-1:], each - len(leaf), 0)])
            every = np.asarray(multihost_utils.process_allgather(filled))
            return every[list(self.processes)].reshape(-1, *leaf.shape[1:])[:fits]

        return jax.tree.map(whole, found)


def joined(parts: Sequence[T]) -> T:
    """Pytrees of NumPy arrays, one behind the other."""
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
